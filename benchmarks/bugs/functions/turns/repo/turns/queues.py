"""Sharing one counter between several queues."""


def take_turns(queues):
    """All items in the order in which they are served: one of each queue in turn, over and over, until all are empty.

    Empty queues are passed over. The queues that are passed stay as they are.
    """
    waiting = [queue for queue in queues if queue]
    served = []
    while waiting:
        for queue in waiting:
            served.append(queue.pop(0))
        waiting = [queue for queue in waiting if queue]
    return served


def positions(queues):
    """For each queue, the positions of its items in the order of service, which start at 1. All items are different."""
    order = {item: number for number, item in enumerate(take_turns(queues), start=1)}
    return [[order[item] for item in queue] for queue in queues]
