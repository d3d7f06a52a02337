"""What lives in `.mimo/`: facts, skills, dreams, and how they are recalled."""
