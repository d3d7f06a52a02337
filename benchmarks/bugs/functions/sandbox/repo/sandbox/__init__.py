"""Sand that falls in a grid."""
