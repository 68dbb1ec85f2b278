"""What the process of each library does: ../serve.ts says it, this is the same in Python."""

import json
import math
import os
import sys
import time
import traceback

import numpy as np

CHECKED_STEPS = 3
SLOW = 0.5  # seconds


class Library:
    """A library, for `serve`.

    programs: functions by name; each prepares a program and returns the function that does the work once.
    read: the elements of a result as a NumPy array. finish: waits for results.
    """

    def __init__(self, about, programs, read, finish=lambda results: None):
        self.about, self.programs, self.read, self.finish = about, programs, read, finish


def timed(library, step, steps):
    processor, start = time.process_time(), time.perf_counter()
    results = None
    for _ in range(steps):
        results = None  # no step runs while the results of the last one are held
        results = step()
    library.finish(results)
    seconds = time.perf_counter() - start
    return {'steps': steps, 'seconds': seconds / steps, 'processor': (time.process_time() - processor) / steps}


def check(values):
    values = np.asarray(values, dtype=np.float64)
    return float(values.reshape(())) if values.size == 1 else math.sqrt(float(np.square(values).sum()))


def first_steps(library, step):
    found, seconds = [], 0
    for _ in range(CHECKED_STEPS):
        start = time.perf_counter()
        found += [check(library.read(result)) for result in step()]
        seconds = time.perf_counter() - start
        if seconds >= SLOW:
            break
    return found, seconds


def resident(what):
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ':'))


class Server:
    def __init__(self, library):
        self.library, self.step, self.estimate = library, None, 0

    def answer(self, request):
        if request['do'] == 'measure':
            return timed(self.library, self.step, max(1, round(request['seconds'] / self.estimate)))
        self.step = None
        program = self.library.programs[request['program']]
        return self.prepare(program, request) if request['do'] == 'prepare' else self.memory(program, request)

    def prepare(self, program, request):
        step = program(**request['parameters'])
        found, estimate = first_steps(self.library, step)
        spent, steps = 0 if estimate < SLOW else math.inf, 0
        while spent < request['warmUp']:
            steps = max(steps + 1, math.ceil(request['warmUp'] / 4 / estimate))
            estimate = timed(self.library, step, steps)['seconds']
            spent += estimate * steps
        self.step, self.estimate = step, estimate
        return {'checks': found}

    def memory(self, program, request):
        if not os.path.exists('/proc/self/status'):
            return {'lacks': 'memory is read from /proc, which is not here'}
        baseline = resident('VmRSS')
        with open('/proc/self/clear_refs', 'w') as clear:
            clear.write('5')
        step = program(**request['parameters'])
        until, done = time.perf_counter() + request['seconds'], 0
        while done < request['steps'] and time.perf_counter() < until:
            results = None
            results = step()
            done += 1
        self.library.finish(results)
        return {'baseline': baseline, 'peak': resident('VmHWM'), 'steps': done}


def serve(library):
    """Answers requests until there are no more."""
    server = Server(library)
    print(json.dumps(library.about), flush=True)
    for line in sys.stdin:
        try:
            reply = server.answer(json.loads(line))
        except Exception:
            server.step = None
            reply = {'error': traceback.format_exc()}
        print(json.dumps(reply), flush=True)
