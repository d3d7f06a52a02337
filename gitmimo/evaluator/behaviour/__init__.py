"""What behaves differently: base and products run on the same inputs, taken from the tests and grown from them."""
