/* What the C programs of the tests have in common. */
#ifndef CHANSON_TEST_H
#define CHANSON_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chanson.h"

/* Ends the program when it does not hold. */
#define CHECK(what)                                                          \
    do {                                                                     \
        if (!(what)) {                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            exit(1);                                                         \
        }                                                                    \
    } while (0)
#define OK(call) CHECK((call) == CHANSON_OK)

#define HANDSHAKE                                                        \
    "GET /socket/websocket?vsn=2.0.0&name=ann HTTP/1.1\r\nHost: here\r\n" \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                       \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

/* A frame as a client sends it, masked with nought; its length. */
static inline size_t client_frame(unsigned char *to, int opcode, const char *payload) {
    size_t len = strlen(payload), at = 0;
    CHECK(len < 126);
    to[at++] = (unsigned char)(0x80 | opcode);
    to[at++] = (unsigned char)(0x80 | len);
    memset(to + at, 0, 4);
    at += 4;
    memcpy(to + at, payload, len);
    return at + len;
}

/* Reads all of it, so that a sanitizer says when it is not there. */
static inline void look_at(const void *data, size_t len) {
    volatile unsigned char seen;
    for (size_t i = 0; i < len; i++) seen = ((const unsigned char *)data)[i];
    (void)seen;
}

#endif
