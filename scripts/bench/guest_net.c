// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets out and in, ping-pong and a TCP stream each way over eth0. The same program is the
 * other end on the host: "--here peer".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest.h"

#define US		"198.18.0.2"
#define PEER		"198.18.0.1"
#define NOBODY		"198.18.1.9"	/* behind the peer, which does not forward */
#define UDP_PORT	7001
#define TCP_PORT	7002
#define SMALL		22		/* a frame of 64 bytes */
#define LARGE		1472		/* a packet of 1500 bytes */
#define WINDOW		64
#define CHUNK		4096

enum { TX_SMALL, TX_LARGE, RX_SMALL, RX_LARGE, PING_PONG, TCP_TX, TCP_RX };

static const char * const names[] = {
	"udp-tx-64", "udp-tx-1500", "udp-rx-64", "udp-rx-1500", "ping-pong", "tcp-tx-4k",
	"tcp-rx-4k",
};

/* What the guest asks its peer for: how many datagrams of which size. */
struct request {
	unsigned int count;
	unsigned int size;
};

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	a.sin_addr.s_addr = inet_addr(ip);
	return a;
}

static int connected(int type, const char *ip, int port)
{
	struct sockaddr_in a = address(ip, port);
	struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void send_datagrams(int fd, unsigned int count, unsigned int size)
{
	static char data[LARGE];

	while (count) {
		/* Nobody listens there; an ICMP answer to an earlier one is no failure. */
		if (send(fd, data, size, 0) == (ssize_t)size)
			count--;
		else if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH)
			fail("send");
	}
}

static void tx(unsigned int w, unsigned int size)
{
	const unsigned int count = 10000;
	int fd = connected(SOCK_DGRAM, NOBODY, UDP_PORT);

	send_datagrams(fd, 500, size);
	mark(w, false, 0);
	send_datagrams(fd, count, size);
	mark(w, true, count);
	close(fd);
}

/* exchange - @rounds times ask for @window datagrams of @size bytes and receive them */
static void exchange(int fd, unsigned int rounds, unsigned int window, unsigned int size)
{
	struct request request = { window, size };
	char data[LARGE];
	unsigned int i;

	while (rounds--) {
		if (send(fd, &request, sizeof(request), 0) != sizeof(request))
			fail("request");
		for (i = 0; i < window; i++)
			if (recv(fd, data, sizeof(data), 0) != (ssize_t)size)
				fail("receive");
	}
}

static void rx(unsigned int w, unsigned int rounds, unsigned int window, unsigned int size)
{
	int fd = connected(SOCK_DGRAM, PEER, UDP_PORT);

	exchange(fd, 8, window, size);
	mark(w, false, 0);
	exchange(fd, rounds, window, size);
	mark(w, true, rounds * window);
	close(fd);
}

/* stream - @count chunks out of or into @fd */
static void stream(int fd, bool out, unsigned int count)
{
	static char data[CHUNK];
	size_t left = (size_t)count * CHUNK;
	ssize_t n;

	while (left) {
		n = out ? write(fd, data, CHUNK) : read(fd, data, CHUNK);
		if (n <= 0)
			fail("stream");
		left -= (size_t)n < left ? (size_t)n : left;
	}
}

static void tcp(unsigned int w, bool out)
{
	const unsigned int count = 4096;
	int fd = connected(SOCK_STREAM, PEER, TCP_PORT);
	char direction = out ? 'o' : 'i';

	if (write(fd, &direction, 1) != 1)
		fail("direction");
	stream(fd, out, 256);
	mark(w, false, 0);
	stream(fd, out, count);
	mark(w, true, count);
	close(fd);
}

static void run(void)
{
	tx(TX_SMALL, SMALL);
	tx(TX_LARGE, LARGE);
	rx(RX_SMALL, 150, WINDOW, SMALL);
	rx(RX_LARGE, 150, WINDOW, LARGE);
	rx(PING_PONG, 2000, 1, SMALL);
	tcp(TCP_TX, true);
	tcp(TCP_RX, false);
}

static void prepare(void)
{
	struct ifreq ifr = { .ifr_name = "eth0" };
	struct rtentry route = { .rt_flags = RTF_UP | RTF_GATEWAY };
	struct sockaddr_in any = address("0.0.0.0", 0), gateway = address(PEER, 0), a;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned int try;

	for (try = 0; try < 100 && ioctl(fd, SIOCGIFINDEX, &ifr); try++)
		wait_ms(100);
	a = address(US, 0);
	memcpy(&ifr.ifr_addr, &a, sizeof(a));
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		fail("no eth0");
	a = address("255.255.255.0", 0);
	memcpy(&ifr.ifr_netmask, &a, sizeof(a));
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		fail("netmask");
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		fail("up");
	memcpy(&route.rt_dst, &any, sizeof(any));
	memcpy(&route.rt_genmask, &any, sizeof(any));
	memcpy(&route.rt_gateway, &gateway, sizeof(gateway));
	if (ioctl(fd, SIOCADDRT, &route))
		fail("route");
	close(fd);
	wait_ms(500);
}

static void serve_tcp(void)
{
	struct sockaddr_in a = address("0.0.0.0", TCP_PORT);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, fd;
	static char data[65536];
	char direction;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 1))
		fail("listen");
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (read(fd, &direction, 1) == 1) {
			if (direction == 'o')
				while (read(fd, data, sizeof(data)) > 0)
					;
			else
				while (send(fd, data, CHUNK, MSG_NOSIGNAL) > 0)
					;
		}
		close(fd);
	}
}

static void peer(const char *argument)
{
	struct sockaddr_in a = address("0.0.0.0", UDP_PORT), from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	static char data[LARGE];
	struct request request;
	socklen_t len;

	(void)argument;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("bind");
	if (!fork()) {
		serve_tcp();
		exit(1);
	}
	for (;;) {
		len = sizeof(from);
		if (recvfrom(fd, &request, sizeof(request), 0, (struct sockaddr *)&from, &len) !=
		    sizeof(request))
			continue;
		while (request.count-- && request.size <= sizeof(data))
			sendto(fd, data, request.size, 0, (struct sockaddr *)&from, len);
	}
}

int main(int argc, char **argv)
{
	static const struct bench bench = {
		.prepare = prepare, .run = run, .names = names, .here = peer,
	};

	return bench_main(&bench, argc, argv);
}
