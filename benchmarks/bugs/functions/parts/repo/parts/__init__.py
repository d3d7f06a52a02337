"""What has to be bought to build something."""
