#!/usr/bin/perl
# Opens what the DHCP server needs of each named interface and runs a command that inherits it:
#
#   dhcp-sockets.pl eth1 eth2 -- node dist/src/bin/boot.js --interface eth1 --interface eth2
#
# A UDP socket on port 67, in PRYBAR_DHCP_FDS as "eth1=3,eth2=5": the kernel does not tell Node which interface a datagram came
# from, and SO_BINDTODEVICE is out of Node's reach. With root or CAP_NET_RAW also a packet socket, in PRYBAR_PACKET_FDS as
# "eth1=4,eth2=6", for ARP probes, replies by unicast to machines without an address, router advertisements, and to hear other
# servers; without that right the server works without. Sockets that systemd passes (LISTEN_FDS with LISTEN_FDNAMES, the name
# of the interface as FileDescriptorName) are taken for those of port 67.
#
# It needs only perl-base, which is essential in Debian; the port needs root, CAP_NET_BIND_SERVICE, or the sysctl named below. It
# replaces itself by the command, so the process id stays the same; drop privileges in between with
# `-- setpriv --reuid=... --init-groups node ...`.
use strict;
use warnings;
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use Socket;

use constant SO_BINDTODEVICE  => 25;    # asm-generic/socket.h; Socket.pm does not have these
use constant SO_ATTACH_FILTER => 26;
use constant SO_RCVBUFFORCE   => 33;
use constant AF_PACKET        => 17;
use constant ETH_P_ALL        => 3;     # linux/if_ether.h
use constant BUFFER_BYTES     => 16 * 1024 * 1024;
use constant DHCP_PORT        => 67;

# Classic BPF (linux/filter.h): [code, jump if true, jump if false, value]. Frames that we send ourselves are left out.
my @FILTER = (
    [ 0x30, 0, 0,  0xfffff004 ],    #  0 packet type
    [ 0x15, 16, 0, 4 ],             #  1 outgoing: drop
    [ 0x28, 0, 0,  12 ],            #  2 EtherType
    [ 0x15, 13, 0, 0x0806 ],        #  3 ARP: take
    [ 0x15, 4, 0,  0x0800 ],        #  4 IPv4: to 9
    [ 0x15, 0, 12, 0x86dd ],        #  5 neither that nor IPv6: drop
    [ 0x30, 0, 0,  54 ],            #  6 ICMPv6 type
    [ 0x15, 0, 10, 133 ],           #  7 no router solicitation: drop
    [ 0x05, 0, 0,  8 ],             #  8 take
    [ 0x30, 0, 0,  23 ],            #  9 IPv4 protocol
    [ 0x15, 0, 7,  17 ],            # 10 no UDP: drop
    [ 0x28, 0, 0,  20 ],            # 11 fragment offset
    [ 0x45, 5, 0,  0x1fff ],        # 12 a later fragment: drop
    [ 0xb1, 0, 0,  14 ],            # 13 length of the IPv4 header
    [ 0x48, 0, 0,  16 ],            # 14 destination port
    [ 0x15, 0, 2,  68 ],            # 15 no DHCP client's: drop
    [ 0x05, 0, 0,  0 ],             # 16 take
    [ 0x06, 0, 0,  0xffff ],        # 17
    [ 0x06, 0, 0,  0 ],             # 18
);

my @interfaces;
while (@ARGV) {
    my $word = shift @ARGV;
    last if $word eq '--';
    $word =~ m{^[^\s=,/-][^\s=,/]{0,14}$} or die "dhcp-sockets: '$word' is not an interface name\n";
    push @interfaces, $word;
}
@interfaces && @ARGV or die "usage: dhcp-sockets.pl INTERFACE... -- COMMAND [ARGUMENT...]\n";

$^F = 1023;    # descriptors up to this one survive exec
my (@kept, @udp, @packet);
my %passed = from_systemd();
for my $interface (@interfaces) {
    push @udp, "$interface=" . ($passed{$interface} // open_udp($interface));
    my $fd = open_packet($interface);
    push @packet, "$interface=$fd" if defined $fd;
}
$ENV{PRYBAR_DHCP_FDS} = join(',', @udp);
if (@packet) { $ENV{PRYBAR_PACKET_FDS} = join(',', @packet) } else { delete $ENV{PRYBAR_PACKET_FDS} }
delete @ENV{qw(LISTEN_FDS LISTEN_FDNAMES LISTEN_PID)};
exec { $ARGV[0] } @ARGV or die "dhcp-sockets: $ARGV[0]: $!\n";

# sd_listen_fds(3): descriptors from 3 on, meant for this process, with their names in the same order.
sub from_systemd {
    return () unless defined $ENV{LISTEN_FDS} && ($ENV{LISTEN_PID} // '') eq $$;
    my @names = split /:/, $ENV{LISTEN_FDNAMES} // '';
    my %fds;
    for my $index (0 .. $ENV{LISTEN_FDS} - 1) {
        my $fd = 3 + $index;
        open(my $handle, '+<&=', $fd) or die "dhcp-sockets: descriptor $fd of systemd: $!\n";
        fcntl($handle, Fcntl::F_SETFD(), 0) or die "dhcp-sockets: descriptor $fd of systemd: $!\n";
        push @kept, $handle;
        $fds{ $names[$index] } = $fd if defined $names[$index];
    }
    return %fds;
}

sub open_udp {
    my ($interface) = @_;
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
    push @kept, $socket;
    return fileno($socket);
}

# Undefined without CAP_NET_RAW. Reads never wait: Node would give a thread to each that does. Opened for no protocol, so that
# nothing comes in before the filter is there.
sub open_packet {
    my ($interface) = @_;
    socket(my $socket, AF_PACKET, SOCK_RAW, 0) or return undef;
    my $program = join '', map { pack 'SCCL', @$_ } @FILTER;
    setsockopt($socket, SOL_SOCKET, SO_ATTACH_FILTER, pack('S x![P] P', scalar(@FILTER), $program))
        or die "dhcp-sockets: filter: $!\n";
    open(my $file, '<', "/sys/class/net/$interface/ifindex") or die "dhcp-sockets: interface $interface: $!\n";
    chomp(my $index = <$file>);
    bind($socket, pack('S n i S C C a8', AF_PACKET, ETH_P_ALL, $index, 0, 0, 0, ''))
        or die "dhcp-sockets: packet socket on $interface: $!\n";
    fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK) or die "dhcp-sockets: O_NONBLOCK: $!\n";
    push @kept, $socket;
    return fileno($socket);
}
