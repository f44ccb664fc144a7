"""Sends DHCP messages made by scapy on one interface and prints what came back.

Standard input: JSON {"interface", "messages": [{"mac", "xid", "type", "ciaddr", "giaddr", "flags", "source", "to", "options", "hex_options"}]}.
`options` are scapy's names and values; `hex_options` are codes and hex. `wait` false sends without waiting for an answer.
Standard output: a JSON list, one entry a message: null without an answer, else its fields and options, decoded by scapy.
"""
import json
import sys

from scapy.all import BOOTP, DHCP, IP, UDP, AsyncSniffer, Ether, conf, sendp

conf.verb = 0
conf.checkIPaddr = False


def words(option):
    name, *values = option
    return [name if isinstance(name, str) else str(name), *[v.hex() if isinstance(v, bytes) else v for v in values]]


def build(message):
    mac = message["mac"]
    options = [(name, value) for name, value in message.get("options", {}).items()]
    options += [(int(code), bytes.fromhex(value)) for code, value in message.get("hex_options", {}).items()]
    if message.get("type"):
        options.insert(0, ("message-type", message["type"]))
    chaddr = bytes.fromhex(mac.replace(":", ""))
    bootp = BOOTP(
        op=1, chaddr=chaddr, xid=message["xid"], flags=message.get("flags", 0x8000), ciaddr=message.get("ciaddr", "0.0.0.0"), giaddr=message.get("giaddr", "0.0.0.0")
    )
    ip = IP(src=message.get("source", "0.0.0.0"), dst=message.get("to", "255.255.255.255"))
    packet = Ether(src=mac, dst=message.get("frame_to", "ff:ff:ff:ff:ff:ff")) / ip / UDP(sport=68, dport=67) / bootp
    return packet / DHCP(options=[*options, "end"])


def main():
    task = json.load(sys.stdin)
    interface = task["interface"]
    answers = []
    for message in task["messages"]:
        wanted = message["xid"]

        def is_answer(packet):
            return BOOTP in packet and packet[BOOTP].op == 2 and packet[BOOTP].xid == wanted

        packet = build(message)
        if not message.get("wait", True):
            sendp(packet, iface=interface)
            answers.append(None)
            continue
        sniffer = AsyncSniffer(
            iface=interface,
            lfilter=is_answer,
            count=1,
            timeout=message.get("timeout", 5),
            started_callback=lambda: sendp(packet, iface=interface),
        )
        sniffer.start()
        sniffer.join()
        if not sniffer.results:
            answers.append(None)
            continue
        reply = sniffer.results[0]
        bootp = reply[BOOTP]
        options = [words(o) for o in reply[DHCP].options if isinstance(o, tuple)]
        answers.append(
            {
                "yiaddr": bootp.yiaddr,
                "siaddr": bootp.siaddr,
                "ciaddr": bootp.ciaddr,
                "giaddr": bootp.giaddr,
                "file": bootp.file.rstrip(b"\0").decode("latin1"),
                "to": reply[IP].dst,
                "frame_to": reply[Ether].dst,
                "bytes": len(bytes(reply[UDP].payload)),
                "options": {name: values[0] if len(values) == 1 else values for name, *values in options},
                "order": [o[0] for o in options],
            }
        )
    json.dump(answers, sys.stdout)


main()
