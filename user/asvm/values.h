/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ASVM_VALUES_H
#define ASVM_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Readers for the values of options, the same for the command line and for a
 * config file. Each returns NULL, or a constant text that says what is wanted.
 */
const char *value_u64(const char *text, uint64_t min, uint64_t max,
		      uint64_t *value);
const char *value_bool(const char *text, bool *value);

/* A number of bytes: 4096, 512M, 2G; K, M, G and T are powers of 1024. */
const char *value_size(const char *text, uint64_t *value);

/* A MAC address of one station, six pairs of hexadecimal digits. */
const char *value_mac(const char *text, uint8_t mac[6]);

/**
 * value_name() - is @text good as the name of a guest?
 *
 * Letters, digits, '.', '_' and '-', not first '.' or '-', at most 63: the name
 * becomes a file name in /run/asvm, a cgroup and a part of a systemd unit.
 */
const char *value_name(const char *text);

/**
 * value_cpus() - a list of CPUs as taskset takes it, "0-3,8", in its order
 * @list: filled in, at most @max
 * @count: how many
 */
const char *value_cpus(const char *text, int *list, unsigned int max,
		       unsigned int *count);

/**
 * value_split() - cut "a=b" at its first '='
 * Return: the text behind it, or NULL when there is none.
 */
char *value_split(char *text);

/* Text from outside as it may be shown on a terminal: nothing but print. */
void value_show(const char *text, char *to, size_t size);

#endif
