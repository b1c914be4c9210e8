"""Hosts for benchmarks/worker_network.py: network namespaces of this machine, and a relay that loses packets."""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

from dnnlib import UserError

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454ca, 1, 0x1000, 0x40000000  # of Linux
MTU = 1500


def wait_for(condition, what, seconds=300):
    """Waits until `condition()` is true; returns the seconds; raises UserError if that takes too long."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise UserError(f'{what}: not after {seconds} s')
        time.sleep(0.02)
    return time.monotonic() - began


class Host:
    """A network namespace; `cat` holds it until its input ends, which this program's end does, too."""

    def __init__(self, number):
        self.number = number
        self._holder = subprocess.Popen(['unshare', '--net', 'cat'], stdin=subprocess.PIPE)
        self.pid, self._file = self._holder.pid, f'/proc/{self._holder.pid}/ns/net'
        wait_for(lambda: os.readlink(self._file) != os.readlink('/proc/self/ns/net'), 'a namespace')
        self.call('ip', 'link', 'set', 'lo', 'up')

    def call(self, *command):
        """Runs a command in it."""
        subprocess.check_call(['nsenter', '--net=' + self._file] + list(command))

    def connect(self, device, address):
        """Gives a device an address of a network of 256."""
        self.call('ip', 'addr', 'add', address + '/24', 'dev', device)
        self.call('ip', 'link', 'set', device, 'up')

    def pids(self):
        """Processes in it, but for that which holds it: set."""
        found, namespace = set(), os.readlink(self._file)
        for name in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):  # it has ended
                if os.readlink(f'/proc/{name}/ns/net') == namespace:
                    found.add(int(name))
        return found - {self.pid}

    def open_tun(self, name):
        """Makes a TUN device in it; returns the file that packets are read from and written to."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open('/proc/thread-self/ns/net') as own, open(self._file) as other:
            if libc.setns(other.fileno(), CLONE_NEWNET):  # of this thread
                raise UserError(f'the namespace cannot be entered ({os.strerror(ctypes.get_errno())}); be root')
            try:
                tun = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
                fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH22x', name.encode(), IFF_TUN | IFF_NO_PI))
            finally:
                libc.setns(own.fileno(), CLONE_NEWNET)
        return tun

    def close(self):
        """Ends it."""
        self._holder.stdin.close()
        self._holder.wait()


class Relay:
    """Carries packets between TUN devices of two hosts, in a thread.

    Args:
        hosts: Two Host.
        seconds: Delay of each packet, in each direction.
        loss: Share of the packets that are dropped.
    Attributes:
        carried, dropped: Numbers of packets.
    """

    def __init__(self, hosts, seconds, loss):
        self._tuns = [host.open_tun('relay') for host in hosts]
        self._seconds, self._loss, self._random = seconds, loss, random.Random(0)
        self.carried = self.dropped = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        waiting = []  # (time when it is due, number, device, packet)
        while not self._end.is_set():
            pause = min(max(waiting[0][0] - time.monotonic(), 0), 0.1) if waiting else 0.1
            for tun in select.select(self._tuns, [], [], pause)[0]:
                packet = os.read(tun, 2 * MTU)
                if self._random.random() < self._loss:
                    self.dropped += 1
                    continue
                self.carried += 1
                other = self._tuns[1 - self._tuns.index(tun)]
                heapq.heappush(waiting, (time.monotonic() + self._seconds, self.carried, other, packet))
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, tun, packet = heapq.heappop(waiting)
                with contextlib.suppress(OSError):  # its queue is full, as of any router
                    os.write(tun, packet)

    def close(self):
        """Ends it, and so the devices."""
        self._end.set()
        self._thread.join()
        for tun in self._tuns:
            os.close(tun)
