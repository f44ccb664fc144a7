"""A cable that loses, doubles and reorders frames, for kernels without netem. Two tap devices, every frame carried by hand.

badlink.py TAP TAP: reads a line of JSON {"seed", "loss", "duplicate", "reorder"} (shares of 1) from standard input at the
start, and again whenever there is one. Prints `up`, and at its end how many frames it carried, lost, doubled and held back.
Taps, not sockets on an interface: a tap hands over whole checksums, which veth leaves to hardware it does not have.
"""
import fcntl
import json
import os
import random
import select
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
# A frame held back goes after the next one, or after this many seconds.
HOLD_SECONDS = 0.01

count = {"carried": 0, "lost": 0, "doubled": 0, "reordered": 0}


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def write(tap, frame):
    try:
        os.write(tap, frame)
        count["carried"] += 1
    except OSError:
        pass  # the other end is down: a cable does not mind


def main():
    taps = [open_tap(name) for name in sys.argv[1:3]]
    other = {taps[0]: taps[1], taps[1]: taps[0]}
    words = json.loads(sys.stdin.readline())
    chance = random.Random(words["seed"])
    held = {tap: None for tap in taps}
    print("up", flush=True)
    while True:
        waiting = any(frame is not None for frame in held.values())
        ready, _, _ = select.select([*taps, sys.stdin], [], [], HOLD_SECONDS if waiting else None)
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if line == "":
                break
            words = json.loads(line)
        for tap in taps:
            if tap not in ready:
                if held[tap] is not None and not ready:
                    write(other[tap], held[tap])
                    held[tap] = None
                continue
            frame = os.read(tap, 65536)
            if chance.random() < words["loss"]:
                count["lost"] += 1
                continue
            if held[tap] is None and chance.random() < words["reorder"]:
                count["reordered"] += 1
                held[tap] = frame
                continue
            write(other[tap], frame)
            if chance.random() < words["duplicate"]:
                count["doubled"] += 1
                write(other[tap], frame)
            if held[tap] is not None:
                write(other[tap], held[tap])
                held[tap] = None
    print(json.dumps(count), flush=True)


main()
