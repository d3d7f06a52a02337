"""Where an actor runs: here."""


class NodeAffinitySchedulingStrategy:
    def __init__(self, node, soft=False):
        pass
