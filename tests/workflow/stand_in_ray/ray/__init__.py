"""A stand-in for Ray in one process: tasks in threads, an actor in a loop, and all that is sent is pickled."""

import asyncio
import concurrent.futures
import pickle
import threading

from ray import exceptions

_POOL = concurrent.futures.ThreadPoolExecutor(32)


class Ref:
    def __init__(self, future):
        self.future = future


class _Context:
    def get_node_id(self):
        return "n" * 40


class _Function:
    def __init__(self, function):
        self.function = function

    def options(self, **_):
        return self

    def remote(self, item, mailbox, *sent):
        data = pickle.dumps((item, sent))

        def run():
            try:
                mine, more = pickle.loads(data)
                return pickle.loads(pickle.dumps(self.function(mine, mailbox, *more)))
            except Exception as exc:  # noqa: BLE001  as Ray does
                raise exceptions.RayTaskError(pickle.loads(pickle.dumps(exc))) from exc

        return Ref(_POOL.submit(run))


class _Method:
    def __init__(self, actor, name):
        self.actor, self.name = actor, name

    def remote(self, *arguments):
        method = getattr(self.actor.object, self.name)
        return Ref(asyncio.run_coroutine_threadsafe(method(*pickle.loads(pickle.dumps(arguments))), self.actor.loop))


class _Actor:
    def __init__(self, kind):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.object = kind()

    def __getattr__(self, name):
        return _Method(self, name)


class _Class:
    def __init__(self, kind):
        self.kind = kind

    def options(self, **_):
        return self

    def remote(self):
        return _Actor(self.kind)


def init(**_):
    pass


def shutdown():
    pass


def cluster_resources():
    return {}


def get_runtime_context():
    return _Context()


def remote(what):
    return _Class(what) if isinstance(what, type) else _Function(what)


def wait(refs, timeout=None):
    done, _ = concurrent.futures.wait([ref.future for ref in refs], timeout)
    return [ref for ref in refs if ref.future in done], [ref for ref in refs if ref.future not in done]


def get(ref):
    return ref.future.result() if isinstance(ref, Ref) else ref


def put(data):
    return data


def cancel(ref, force=False):
    ref.future.cancel()
