#!/usr/bin/perl
# Opens UDP port 67 once for each named interface and runs a command that inherits the sockets:
#
#   dhcp-sockets.pl eth1 eth2 -- node dist/src/bin/boot.js --interface eth1 --interface eth2
#
# The command finds them in PRYBAR_DHCP_FDS as "eth1=3,eth2=4". The kernel does not tell Node which interface a datagram came
# from, and SO_BINDTODEVICE is out of Node's reach: this is why the launcher exists. It needs only perl-base, which is
# essential in Debian; the port needs root, CAP_NET_BIND_SERVICE, or the sysctl named below. It replaces itself by the
# command, so the process id stays the same; drop privileges in between with `-- setpriv --reuid=... --init-groups node ...`.
use strict;
use warnings;
use Socket;

use constant SO_BINDTODEVICE => 25;    # asm-generic/socket.h; Socket.pm does not have these two
use constant SO_RCVBUFFORCE  => 33;
use constant BUFFER_BYTES    => 16 * 1024 * 1024;
use constant DHCP_PORT       => 67;

my @interfaces;
while (@ARGV) {
    my $word = shift @ARGV;
    last if $word eq '--';
    $word =~ m{^[^\s=,/-][^\s=,/]{0,14}$} or die "dhcp-sockets: '$word' is not an interface name\n";
    push @interfaces, $word;
}
@interfaces && @ARGV or die "usage: dhcp-sockets.pl INTERFACE... -- COMMAND [ARGUMENT...]\n";

$^F = 1023;    # descriptors up to this one survive exec
my (@sockets, @fds);
for my $interface (@interfaces) {
    socket(my $socket, AF_INET, SOCK_DGRAM, 0) or die "dhcp-sockets: socket: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1) or die "dhcp-sockets: SO_REUSEADDR: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_BROADCAST, 1) or die "dhcp-sockets: SO_BROADCAST: $!\n";
    setsockopt($socket, SOL_SOCKET, SO_BINDTODEVICE, pack('Z16', $interface))
        or die "dhcp-sockets: interface $interface: $!\n";
    # Without CAP_NET_ADMIN the kernel's own limit stays; the server asks again.
    setsockopt($socket, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
    bind($socket, sockaddr_in(DHCP_PORT, INADDR_ANY))
        or die "dhcp-sockets: UDP 67 on $interface: $!\n"
        . "  fix: a systemd unit with AmbientCapabilities=CAP_NET_BIND_SERVICE,\n"
        . "  or `sysctl net.ipv4.ip_unprivileged_port_start=67`\n";
    push @sockets, $socket;
    push @fds, "$interface=" . fileno($socket);
}
$ENV{PRYBAR_DHCP_FDS} = join(',', @fds);
exec { $ARGV[0] } @ARGV or die "dhcp-sockets: $ARGV[0]: $!\n";
