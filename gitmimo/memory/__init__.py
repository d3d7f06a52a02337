"""The memory in `.mimo/`: notes and skills, and search over them."""
