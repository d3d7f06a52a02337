"""What only who develops git-mimo runs, in a checkout."""
