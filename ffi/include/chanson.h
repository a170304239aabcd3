/* Chanson: realtime channels (Phoenix Channels wire protocol) for C and C++.
 *
 * Made by cbindgen from the Rust sources; a test makes it anew and compares. Do not edit.
 *
 * What holds for every function:
 *
 * - A handle (an opaque type) is made by a `..._new` or `..._bind` function and belongs to the host, which frees it once, by
 *   the `..._free` of its type. What is lent says for how long.
 * - Every pointer is NULL or good: where it may be NULL the function says what that means; where it may not, the answer is
 *   CHANSON_ERR_NULL and nothing has happened. Getters that answer with a value answer 0, false, NULL or CHANSON_NO_CONN.
 * - A handle of another type gives CHANSON_ERR_HANDLE. A handle that was freed must not be used; where its memory still shows
 *   what it was, that gives CHANSON_ERR_HANDLE too.
 * - A handle is for one thread at a time (which may be another one later); chanson_remote alone is for many. A call from inside
 *   a callback of the same handle, or from a second thread, gives CHANSON_ERR_BUSY and does nothing; but callbacks of a client may call it.
 * - What is handed in is copied where it is kept. Text is UTF-8.
 * - Callbacks run on the thread that is in the handle, inside its call, one at a time. They must return: an exception or a
 *   longjmp through them is undefined. What they are handed is good until they return.
 * - Time is told by the host in milliseconds of a monotonic clock with any origin; one that lies before an earlier one counts
 *   as standing still.
 * - No global and no thread-local state: two handles know nothing of each other.
 * - Structs with a `size` can grow: begin with their `_default` function, or set `size` to sizeof of the struct. Those that
 *   callbacks are handed can grow at their end too: read them where they are. All others stay as they are. So a program runs
 *   with its header's library, and with every later one of the same soname.
 */

#ifndef CHANSON_H
#define CHANSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* The version of this header; `chanson_version` tells the library's. */
#define CHANSON_VERSION_MAJOR 0
#define CHANSON_VERSION_MINOR 1
#define CHANSON_VERSION_PATCH 0
#define CHANSON_VERSION "0.1.0"
/* No connection: what getters of a connection answer when there is none. */
#define CHANSON_NO_CONN UINT64_MAX
/* No channel of a client, and no push: where an event is about none. */
#define CHANSON_NO_CHANNEL UINT64_MAX
#define CHANSON_NO_PUSH UINT64_MAX


// What a call answers. `CHANSON_OK` is 0; everything else changed nothing. The text of a code is `chanson_code_text`; what
// exactly was wrong, where there is more to say, is told by the `…_error` function of the handle that refused.
enum chanson_code
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done.
    CHANSON_OK = 0,
    // There is nothing (more): the end of a list that is polled.
    CHANSON_EMPTY = 1,
    // A pointer that has to be there is NULL.
    CHANSON_ERR_NULL = 2,
    // The handle is of another type, was freed, or belongs to a callback that has returned.
    CHANSON_ERR_HANDLE = 3,
    // The handle is in use: it was called from inside one of its own callbacks, or from another thread.
    CHANSON_ERR_BUSY = 4,
    // A value makes no sense: a struct without its size, an enum's value that does not exist, an address that is none.
    CHANSON_ERR_ARGUMENT = 5,
    // Text is not UTF-8.
    CHANSON_ERR_UTF8 = 6,
    // Text is not one JSON value, or a presence's meta no JSON object.
    CHANSON_ERR_JSON = 7,
    // No connection of that id is open (any more).
    CHANSON_ERR_UNKNOWN_CONN = 8,
    // The connection is not joined to that topic.
    CHANSON_ERR_NOT_JOINED = 9,
    // A table or queue is at its bound; try again later or raise the bound.
    CHANSON_ERR_FULL = 10,
    // A name, key or message is longer than allowed.
    CHANSON_ERR_TOO_LARGE = 11,
    // Binary data for a connection with `vsn` 1, which has no form for it.
    CHANSON_ERR_BINARY = 12,
    // It was answered (or deferred) before.
    CHANSON_ERR_ANSWERED = 13,
    // Nothing is tracked under that key by this join.
    CHANSON_ERR_NOT_TRACKED = 14,
    // This join tracks that key already; use update.
    CHANSON_ERR_TRACKED = 15,
    // Not possible here or now.
    CHANSON_ERR_NOT_ALLOWED = 16,
    // The ticket was answered, or what it answers is gone.
    CHANSON_ERR_EXPIRED = 17,
    // The ticket is for another kind of answer.
    CHANSON_ERR_WRONG_KIND = 18,
    // There is no value of that name.
    CHANSON_ERR_NOT_FOUND = 19,
    // The mounts and channels make no hub.
    CHANSON_ERR_BUILD = 20,
    // The operating system refused.
    CHANSON_ERR_IO = 21,
    // The server has ended.
    CHANSON_ERR_CLOSED = 22,
    // The library itself failed, which is a defect of it. The handle is of no more use; free it.
    CHANSON_ERR_PANIC = 23,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_code chanson_code;
#else
typedef int32_t chanson_code;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a callback says of what it was called for. Any other number counts as `CHANSON_CRASH`.
enum chanson_verdict
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Done; a connection or a join is let in.
    CHANSON_DONE = 0,
    // No: a connection is refused (HTTP 403), a join or an event is answered with an error, which
    // `chanson_socket_refuse` says. The default of a join is `{"reason":"join rejected"}`.
    CHANSON_REFUSE = 1,
    // The answer comes later, by the ticket that was taken with `…_defer`. Without one it counts as `CHANSON_FAIL`.
    CHANSON_LATER = 2,
    // An event that this handler does not know: answered with the error `{"reason":"unmatched event"}` if the client waits
    // for an answer.
    CHANSON_UNMATCHED = 3,
    // The handler failed, and its join with it: the client is told so (`phx_error`), or, where it was about to join, answered
    // with the error `{"reason":"join crashed"}`. A connection or a request is answered 500, a raw connection closed (1011).
    CHANSON_FAIL = 4,
    // The same, but `crashed` of `chanson_fault` says so. What a C++ wrapper makes of an exception.
    CHANSON_CRASH = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_verdict chanson_verdict;
#else
typedef int32_t chanson_verdict;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What a payload is, or a message of a raw mount.
enum chanson_payload_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // JSON text in UTF-8; on a raw mount, any text in UTF-8.
    CHANSON_JSON = 0,
    // Bytes.
    CHANSON_BINARY = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_payload_kind chanson_payload_kind;
#else
typedef int32_t chanson_payload_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What there is to do.
enum chanson_output_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // Send this frame to each of these connections.
    CHANSON_OUTPUT_DELIVER = 0,
    // The connection is let in: answer its upgrade; messages flow.
    CHANSON_OUTPUT_OPEN = 1,
    // The connection is refused: answer its request with this.
    CHANSON_OUTPUT_REFUSE = 2,
    // An HTTP request whose answer was put off is answered.
    CHANSON_OUTPUT_RESPOND = 3,
    // Close this connection. Say `chanson_hub_close` when it is gone.
    CHANSON_OUTPUT_CLOSE = 4,
    // Only of `chanson_hub_open`: the application decides later; `OPEN` or `REFUSE` will come.
    CHANSON_OUTPUT_PENDING = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_output_kind chanson_output_kind;
#else
typedef int32_t chanson_output_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why a join ended.
enum chanson_leave_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The client left.
    CHANSON_LEFT = 0,
    // The client joined the topic once more; the new join replaces this one.
    CHANSON_REJOINED = 1,
    // A handler stopped it.
    CHANSON_STOPPED = 2,
    // A handler failed.
    CHANSON_CRASHED = 3,
    // The connection ended.
    CHANSON_DISCONNECTED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_leave_reason chanson_leave_reason;
#else
typedef int32_t chanson_leave_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What to do with a session behind `chanson_session_transmit`: any of these together. Later versions may know more.
enum chanson_next
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The transport takes no more for now: transmit again when it does.
    CHANSON_NEXT_BLOCKED = 1,
    // As `chanson_session_is_finished`.
    CHANSON_NEXT_FINISHED = 2,
    // As `chanson_session_is_done_sending`.
    CHANSON_NEXT_DONE_SENDING = 4,
    // As `chanson_session_wants_bytes`.
    CHANSON_NEXT_WANTS_BYTES = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_next chanson_next;
#else
typedef int32_t chanson_next;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// How much a record of the log matters.
enum chanson_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // A handler failed.
    CHANSON_LOG_ERROR = 0,
    // Something that the operator may have to do something about.
    CHANSON_LOG_WARN = 1,
    // A peer was refused, or broke a rule.
    CHANSON_LOG_INFO = 2,
    // Connections come and go.
    CHANSON_LOG_DEBUG = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_level chanson_level;
#else
typedef int32_t chanson_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// What happened to a client.
enum chanson_client_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // The connection is open. Joined channels join again by themselves.
    CHANSON_CLIENT_CONNECTED = 0,
    // The connection could not be opened: `reason` is `TRANSPORT`, `TIMEOUT`, `REFUSED` (`code`: the HTTP status), `REDIRECT`
    // (`code`, and `text`: the `Location`), `HANDSHAKE` or `CANCELLED`; `text` says more, `retry_in_ms` when the next try is.
    CHANSON_CLIENT_CONNECT_FAILED = 1,
    // The connection was open and is lost: `code` is the close code (1005 after `chanson_client_disconnect`), `retry_in_ms`
    // says when the next try is. `reason` is `TIMEOUT` when a heartbeat was not answered, else `CONNECTION`.
    CHANSON_CLIENT_DISCONNECTED = 2,
    // A join was answered ok with `payload`, the first one or one after a loss.
    CHANSON_CLIENT_JOINED = 3,
    // A join was refused (`REFUSED`, with `payload`) or not answered (`TIMEOUT`). It is tried again by itself.
    CHANSON_CLIENT_JOIN_FAILED = 4,
    // The channel is joined no more, but will be again by itself: `CONNECTION`, or it crashed on the server (`SERVER`, with
    // `payload`).
    CHANSON_CLIENT_ERRORED = 5,
    // The limit of `rejoin` is reached: on this connection the channel is not joined again by itself.
    CHANSON_CLIENT_GAVE_UP = 6,
    // The channel is gone, and so is its id, of which this is the last event: `LEFT`, `REPLACED` by another join of its topic,
    // or `SERVER`, which said `payload`.
    CHANSON_CLIENT_CLOSED = 7,
    // The server sent `event` with `payload` to the channel.
    CHANSON_CLIENT_MESSAGE = 8,
    // A push was answered with `status` and `payload`; `ok` if the status is `ok`. (One end of a push.)
    CHANSON_CLIENT_REPLY = 9,
    // A push was not answered in time, or not sent. (One end of a push.)
    CHANSON_CLIENT_TIMEOUT = 10,
    // The channel closed before the push was answered, or the connection was lost before a ping was, or the client was freed.
    // (One end of a push.)
    CHANSON_CLIENT_ABORTED = 11,
    // A ping (`push`) was answered after `round_trip_us`.
    CHANSON_CLIENT_PONG = 12,
    // Someone (`key`) came, or came once more, with the metas `changed`; `current` are those that were there before.
    CHANSON_CLIENT_PRESENCE_JOIN = 13,
    // Someone (`key`) left, wholly or in part, with the metas `changed`; `current` are those that remain.
    CHANSON_CLIENT_PRESENCE_LEAVE = 14,
    // The list of presences is that of the server again: after the joins and leaves of one message.
    CHANSON_CLIENT_PRESENCE_SYNC = 15,
    // The presences are more than `presence_bytes`: the list is empty and is not kept until the next join.
    CHANSON_CLIENT_PRESENCE_OVERFLOW = 16,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_client_event_kind chanson_client_event_kind;
#else
typedef int32_t chanson_client_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Why something happened to a client.
enum chanson_client_reason
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    // There is no more to say.
    CHANSON_REASON_NONE = 0,
    // The transport did not come up, or ended before the handshake was done; `text` is what the operating system said.
    CHANSON_REASON_TRANSPORT = 1,
    // There was no answer in time.
    CHANSON_REASON_TIMEOUT = 2,
    // The server refused.
    CHANSON_REASON_REFUSED = 3,
    // The server is elsewhere. It is not followed.
    CHANSON_REASON_REDIRECT = 4,
    // The answer to the upgrade is none that can be gone on with.
    CHANSON_REASON_HANDSHAKE = 5,
    // `chanson_client_disconnect` was called meanwhile.
    CHANSON_REASON_CANCELLED = 6,
    // The connection is lost.
    CHANSON_REASON_CONNECTION = 7,
    // The server ended it.
    CHANSON_REASON_SERVER = 8,
    // `chanson_client_leave` was called.
    CHANSON_REASON_LEFT = 9,
    // Another join took the channel's topic.
    CHANSON_REASON_REPLACED = 10,
    // There is no TLS with that server, its certificate is not accepted, say: `text` is why.
    CHANSON_REASON_TLS = 11,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum chanson_client_reason chanson_client_reason;
#else
typedef int32_t chanson_client_reason;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

// Who servers with TLS are: certificates and keys. One may be given to many endpoints and servers, by their configuration; it may
// be freed when they have it, and may be kept to show other certificates later. TLS 1.2 and 1.3.
typedef struct chanson_acceptor chanson_acceptor;

// Mounts and channels, from which any number of hubs, endpoints and servers can be made. They copy what they need: it can be
// freed as soon as they are there. The callbacks and user pointers must be good for as long as what was made of it lives.
typedef struct chanson_builder chanson_builder;

// A client of a channels server: one connection at a time, any number of channels on it. Its loop turns when
// `chanson_client_poll` is called, on the thread that calls it; callbacks run inside, and may call the client but for polling
// and freeing it. A connection that is lost or cannot be had is opened again by itself, as the config says, and channels join
// again.
//
// Names are looked up on threads that end with the lookup; a numeric address needs none. Without TLS in the library `wss://` is refused.
typedef struct chanson_client chanson_client;

// A connection before it opens. Good until the callback returns, on the thread that the callback runs on.
typedef struct chanson_connect chanson_connect;

// A hub and the sessions of its connections: bytes in, bytes out. One thread at a time may be in it; a second one, and a
// callback of its own, is answered `CHANSON_ERR_BUSY`.
typedef struct chanson_endpoint chanson_endpoint;

// A plain HTTP request, as its callback may act on it. Good until the callback returns, on the thread that the callback runs
// on.
typedef struct chanson_http chanson_http;

// Connections, topics and callbacks as one state machine without I/O. One thread at a time may be in it; a second one, and a
// callback of its own, is answered `CHANSON_ERR_BUSY`.
//
// A hub of your own is made by `chanson_hub_new`. The hub of an endpoint or a server is lent by `chanson_endpoint_hub` or
// `chanson_server_hub`: it takes the commands (`chanson_hub_broadcast` and the like), and refuses what moves messages.
typedef struct chanson_hub chanson_hub;

// A question that a remote has put to its server, and its answer, which comes with one of the server's next turns.
//
// As every handle it is for one thread at a time. The thread that polls the server must not wait for it, nor must a callback of
// the server: nobody would answer. They ask the hub.
typedef struct chanson_query chanson_query;

// One raw connection. Good until the callback returns, on the thread that the callback runs on.
typedef struct chanson_raw chanson_raw;

// Talks to a server from other threads: any number of them may use one remote at the same time, also while the server is
// being polled and from inside its callbacks. No call waits.
//
// Commands are carried out by the thread that polls the server, in the order in which one thread gave them. `CHANSON_OK` says
// that a command was taken; one that then comes to nothing (a dead ticket, a connection that has gone) is only counted, in
// `failed_commands` of `chanson_remote_stats`. `CHANSON_ERR_FULL`: as many as `commands` of the config wait already, try again
// later. `CHANSON_ERR_CLOSED`: the server has ended or was freed, which a remote survives.
//
// A remote keeps no detail of what it refused: the code is all.
typedef struct chanson_remote chanson_remote;

// A server with sockets and an event loop in it, which turns when `chanson_server_poll` is called, on the thread that calls
// it; callbacks run inside. One thread at a time may be in it; for others there is `chanson_remote`.
typedef struct chanson_server chanson_server;

// One client in one topic, as the callbacks of a channel see it. Good until the callback returns, on the thread that the
// callback runs on; used later it gives `CHANSON_ERR_HANDLE` (for as long as its hub lives).
typedef struct chanson_socket chanson_socket;

// Text: UTF-8 bytes and how many, not NUL-terminated. What the library hands out is borrowed for as long as the function
// that gives it says; what it is handed is copied where it is kept. NULL with a length of 0 is the empty text.
typedef struct chanson_str {
    // The bytes.
    const char *data;
    // How many.
    size_t len;
} chanson_str;

// A header of an HTTP message.
typedef struct chanson_header {
    // Its name.
    struct chanson_str name;
    // Its value.
    struct chanson_str value;
} chanson_header;

// An HTTP request. Set `size` to `sizeof(chanson_request)` when it is yours; the library's is borrowed until the callback
// returns.
typedef struct chanson_request {
    // `sizeof(chanson_request)`.
    size_t size;
    // `GET`, `POST`, ….
    struct chanson_str method;
    // The request's target: path and query.
    struct chanson_str target;
    // The path alone. Read from `target` when it is empty in a request of yours.
    struct chanson_str path;
    // The headers.
    const struct chanson_header *headers;
    // How many.
    size_t header_count;
    // The body.
    const void *body;
    // Its length in bytes.
    size_t body_len;
} chanson_request;

// Answers an HTTP request that no mount takes; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_request)(struct chanson_http *http, const struct chanson_request *request, void *user);

// A handler that failed. Borrowed until the callback returns; later versions may add fields at its end.
typedef struct chanson_fault {
    // Whose message it was.
    uint64_t conn;
    // The topic, or the path of a mount or of a request.
    struct chanson_str place;
    // The event, or `phx_join`, `phx_leave`, `connect`, `open`, `message`, `close`, `request`.
    struct chanson_str event;
    // What it failed with.
    struct chanson_str text;
    // Whether it gave `CHANSON_CRASH`, or what it may not.
    bool crashed;
} chanson_fault;

// Hears of a handler that failed.
typedef void (*chanson_on_fault)(const struct chanson_fault *fault, void *user);

// Hears of what happens: `level` is a `chanson_level`, `text` one line, borrowed until the callback returns.
typedef void (*chanson_on_log)(int32_t level, struct chanson_str text, void *user);

// The bounds of a hub, and what is called for all of it. Begin with `chanson_config_default` or
// `chanson_config_for_connections` and change what you like. Bounds are limits, not reservations.
typedef struct chanson_config {
    // `sizeof(chanson_config)`; set by the functions above.
    size_t size;
    // Open connections. 1024.
    size_t connections;
    // Topics with at least one subscriber, at a time. 64.
    size_t topics;
    // Subscribers of one topic. 256.
    size_t subscribers_per_topic;
    // Topics that one connection is joined to, at a time. 16.
    size_t joins_per_connection;
    // Joins of all connections together. 16384.
    size_t joins;
    // Presences tracked in all topics together. 512.
    size_t presences;
    // Length of a topic in bytes. 128.
    size_t topic_bytes;
    // Length of an event's name in bytes. 128.
    size_t event_bytes;
    // Length of a `ref` or `join_ref` in bytes. 1024.
    size_t ref_bytes;
    // Length of the key that a presence is tracked under, in bytes. 256.
    size_t presence_key_bytes;
    // Length of a presence's meta as JSON text, in bytes. 16 KiB.
    size_t presence_meta_bytes;
    // Tickets for answers to come, at a time. 1024.
    size_t tickets;
    // Tickets for answers to come on one connection, at a time. 64.
    size_t tickets_per_connection;
    // Named values kept for one connection. 32.
    size_t assigns_per_connection;
    // Events kept while the join they are for waits for its answer. 16.
    size_t pending_events_per_join;
    // Bytes waiting to be sent to one connection. 1 MiB.
    size_t queued_bytes_per_connection;
    // Bytes waiting to be sent, over all connections. 256 MiB.
    size_t queued_bytes;
    // Commands from other threads that wait to be carried out. 1024.
    size_t commands;
    // 32 bytes that all randomness grows from, copied; NULL: from the operating system. Only a test has reason to set it.
    const uint8_t *seed;
    // Answers HTTP requests that no mount takes; NULL: they are answered 404.
    chanson_on_request on_request;
    // Hears of every handler that failed: the place for a log line. May be NULL.
    chanson_on_fault on_fault;
    // Hears of what happens, failures too: the library's log. A hundred records of each level at once and ten a second in the
    // long run. May be NULL.
    chanson_on_log on_log;
    // Comes with each of them.
    void *user;
    // A path on which `GET` is answered with all counters and gauges, in the text format that Prometheus reads; NUL-terminated,
    // copied; NULL for none. Anybody who reaches the server may ask.
    const char *metrics;
} chanson_config;

// Decides on a connection before it opens; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_connect)(struct chanson_connect *connect, void *user);

// A raw connection has opened; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_open)(struct chanson_raw *raw, void *user);

// What a message carries: JSON text, or bytes (which only connections with `vsn` 2 can carry).
typedef struct chanson_payload {
    // `CHANSON_JSON` or `CHANSON_BINARY`.
    int32_t kind;
    // The text or the bytes; not NUL-terminated. NULL with a length of 0 is allowed for bytes, and stands for `{}` as JSON.
    const void *data;
    // How many bytes.
    size_t len;
} chanson_payload;

// A message came on a raw connection: text (`CHANSON_JSON`, though it may be any text) or bytes, borrowed until the callback
// returns; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_message)(struct chanson_raw *raw, const struct chanson_payload *message, void *user);

// A raw connection has ended with this close code; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_close)(struct chanson_raw *raw, uint16_t close_code, void *user);

// A mount: a path with its protocol, its checks and its limits. Begin with `chanson_mount_config_default`. Mounted at
// `/socket`, both `/socket` and `/socket/websocket` are answered. A segment `:name` of the path is a parameter.
typedef struct chanson_mount_config {
    // `sizeof(chanson_mount_config)`; set by `chanson_mount_config_default`.
    size_t size;
    // The path, NUL-terminated, copied. `/socket`.
    const char *path;
    // Whether it is a raw WebSocket without channels, for `on_open` to `on_close`.
    bool raw;
    // Which pages may connect, NUL-terminated, copied. NULL: those of the same host; `*`: any; else a list divided by
    // commas: `example.com` (any scheme and port), `//*.example.com`, `https://example.com:8443`.
    const char *origins;
    // Longest message to take, in bytes; a longer one closes the connection with 1009. 64 KiB.
    size_t max_message;
    // How long a peer may be silent before its connection is closed (1001), in milliseconds; 0: for ever. 60 s.
    uint64_t idle_timeout_ms;
    // How long a deferred answer may take, in milliseconds. 30 s.
    uint64_t ticket_limit_ms;
    // Most topics that one connection of this mount may join; 0: as many as the hub lets.
    size_t max_joins;
    // Messages that a connection may send at once after a silence, heartbeats not counted; 0: no limit of rate.
    uint32_t rate_burst;
    // Messages per second that it may send in the long run.
    uint32_t rate_per_second;
    // Whether one message more closes the connection (1008) instead of being answered `{"reason":"rate_limited"}`.
    bool rate_disconnects;
    // Messages in a row that may be refused (topics or events that nobody serves, refused joins, messages beyond the rate)
    // before the connection is closed (1008); 0: any number. 1000.
    uint16_t max_offences;
    // Decides who may connect, before the upgrade. NULL: everybody whose origin is right.
    chanson_on_connect on_connect;
    // A raw connection has opened. May be NULL.
    chanson_on_open on_open;
    // A message came on a raw connection. May be NULL.
    chanson_on_message on_message;
    // A raw connection has ended. May be NULL.
    chanson_on_close on_close;
    // Comes with each of them.
    void *user;
    // Whether messages are compressed for clients that offer permessage-deflate (RFC 7692): a broadcast once, however many get
    // it. `CHANSON_ERR_NOT_ALLOWED` in a library that was built without.
    bool deflate;
    // Whether messages, in both directions, may refer to earlier ones (context takeover): shorter, but each connection then
    // has a compression and up to 64 KiB of its own.
    bool deflate_takeover;
    // 1 (fast) to 9 (short). 6.
    uint8_t deflate_level;
    // Messages of fewer bytes are sent as they are. 256.
    size_t deflate_threshold;
} chanson_mount_config;

// A request to join. Borrowed until the callback returns; later versions may add fields at its end.
typedef struct chanson_join {
    // The topic.
    struct chanson_str topic;
    // What the client sent along; any JSON value.
    struct chanson_payload payload;
} chanson_join;

// Decides on a join; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_join)(struct chanson_socket *socket, const struct chanson_join *join, void *user);

// The end of a join. Borrowed until the callback returns; later versions may add fields at its end.
typedef struct chanson_leave {
    // The topic.
    struct chanson_str topic;
    // Why: a `chanson_leave_reason`.
    int32_t reason;
    // The close code of the connection, if it is that which ended; else 0.
    uint16_t close_code;
} chanson_leave;

// Hears of the end of a join; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_leave)(struct chanson_socket *socket, const struct chanson_leave *leave, void *user);

// An event of a joined client. Borrowed until the callback returns; later versions may add fields at its end.
typedef struct chanson_event {
    // The topic.
    struct chanson_str topic;
    // Its name.
    struct chanson_str event;
    // What came with it. Given to a send as it is, it need not be checked once more.
    struct chanson_payload payload;
    // The client's name for this message as JSON text; `null` if it waits for no reply.
    struct chanson_str ref;
} chanson_event;

// Handles an event; gives a `chanson_verdict`.
typedef int32_t (*chanson_on_event)(struct chanson_socket *socket, const struct chanson_event *event, void *user);

// A channel: a topic pattern and what is done for its topics. Begin with `chanson_channel_config_default`.
typedef struct chanson_channel_config {
    // `sizeof(chanson_channel_config)`; set by `chanson_channel_config_default`.
    size_t size;
    // The topic, or `prefix:*` for all that begin so; NUL-terminated, copied. `*`.
    const char *pattern;
    // Decides on a join. NULL: every join is ok with `{}`.
    chanson_on_join on_join;
    // Hears of the end of a join, whatever ended it. May be NULL.
    chanson_on_leave on_leave;
    // Handles every event that has no callback of its own by `chanson_builder_on`. NULL: such an event is answered
    // `{"reason":"unmatched event"}`.
    chanson_on_event on_event;
    // Comes with each of them.
    void *user;
} chanson_channel_config;

// How long to wait before the next try. All 0 is the default, which `max_attempts` and `jitter_percent` may still change.
typedef struct chanson_backoff {
    // The first waits, one after the other, in milliseconds. NULL, with `then_ms` 0: those of phoenix.js.
    const uint64_t *steps_ms;
    // How many.
    size_t step_count;
    // The wait behind them, each time, in milliseconds.
    uint64_t then_ms;
    // No more than so many tries after each loss; 0: there is no end.
    uint32_t max_attempts;
    // Each wait is shortened at random by up to so many per cent (0 to 100), so that clients which lost their server together
    // do not come back together.
    uint32_t jitter_percent;
} chanson_backoff;

// What happened to a client. Borrowed until the callback returns; later versions may add fields at its end, and kinds: ignore
// those that you do not know.
typedef struct chanson_client_event {
    // A `chanson_client_event_kind`.
    int32_t kind;
    // A `chanson_client_reason`.
    int32_t reason;
    // Which channel; `CHANSON_NO_CHANNEL` where it is about none.
    uint64_t channel;
    // Which push or ping; `CHANSON_NO_PUSH` where it is about none.
    uint64_t push;
    // The channel's topic; empty where it is about none.
    struct chanson_str topic;
    // `MESSAGE`: the event's name.
    struct chanson_str event;
    // `JOINED`, `JOIN_FAILED`, `ERRORED`, `CLOSED`, `MESSAGE`, `REPLY`: what came with it; else `{}`.
    struct chanson_payload payload;
    // `REPLY`: the status, as the server wrote it.
    struct chanson_str status;
    // `REPLY`: whether the status is `ok`.
    bool ok;
    // `CONNECT_FAILED`: the HTTP status, or 0. `DISCONNECTED`: the close code.
    uint16_t code;
    // `CONNECT_FAILED`, `DISCONNECTED`: the reason in words (`REDIRECT`: the `Location`).
    struct chanson_str text;
    // `CONNECT_FAILED`, `DISCONNECTED`: in how many milliseconds the next try is; -1: there is none.
    int64_t retry_in_ms;
    // `PONG`: how long it took, in microseconds.
    uint64_t round_trip_us;
    // `PRESENCE_JOIN`, `PRESENCE_LEAVE`: who.
    struct chanson_str key;
    // The same: the metas that were there before, or that remain, as a JSON array.
    struct chanson_str current;
    // The same: the metas that came or left, as a JSON array.
    struct chanson_str changed;
} chanson_client_event;

// Hears of what happens to a client, inside `chanson_client_poll`. It may call the client (join, push, leave, disconnect, …)
// but for `chanson_client_poll` and `chanson_client_free`, which are refused with `CHANSON_ERR_BUSY`; what comes of that is
// told in the next turn. As the callback of a push: its one end.
typedef void (*chanson_on_client_event)(struct chanson_client *client,
                                        const struct chanson_client_event *event,
                                        void *user);

// Where a client connects to, with what, and how patient it is. Begin with `chanson_client_config_default` and set `url`.
// Everything is copied.
typedef struct chanson_client_config {
    // `sizeof(chanson_client_config)`; set by `chanson_client_config_default`.
    size_t size;
    // The server's socket: `ws://` or `wss://`, host, port, path (`ws://127.0.0.1:4000/socket`); NUL-terminated. `/websocket` is appended
    // to the path unless it ends so.
    const char *url;
    // The version of the wire format: 2, or 1, which has no binary payloads. 2.
    int32_t vsn;
    // Query parameters for the server's `on_connect`, names and values.
    const struct chanson_header *params;
    // How many.
    size_t param_count;
    // Headers of the upgrade request.
    const struct chanson_header *headers;
    // How many.
    size_t header_count;
    // A token for the server's `on_connect` that travels as a subprotocol (phoenix.js 1.8's `authToken`), NUL-terminated.
    // NULL: none.
    const char *auth_token;
    // How long an answer to a join or a push is waited for, in milliseconds. 10 s.
    uint64_t timeout_ms;
    // How often a heartbeat is sent, and how long its answer is waited for, in milliseconds. 30 s.
    uint64_t heartbeat_interval_ms;
    // How long the transport may take to come up, and then as long again the handshake, in milliseconds. 10 s.
    uint64_t connect_timeout_ms;
    // How long the end of a closed connection is waited for, in milliseconds. 2 s.
    uint64_t close_timeout_ms;
    // When to try again after a connection was lost or refused. 10, 50, 100, 150, 200, 250, 500, 1000, 2000 ms, then 5 s.
    struct chanson_backoff reconnect;
    // When to try again after a join was refused, was not answered or has crashed. 1, 2, 5 s, then 10 s.
    struct chanson_backoff rejoin;
    // Channels, joined or trying to. 256.
    size_t channels;
    // Length of a topic in bytes. 1024.
    size_t topic_bytes;
    // Length of an event's name in bytes. 1024.
    size_t event_bytes;
    // Pushes that wait: for an answer, or to be sent once the channel is joined. 1024.
    size_t pushes;
    // Bytes of payloads that wait to be sent once their channels are joined. 1 MiB.
    size_t buffered_bytes;
    // Bytes that wait for the transport, beyond which pushes and joins are refused. 1 MiB.
    size_t queued_bytes;
    // Length of a message from the server in bytes. 8 MiB.
    size_t message_bytes;
    // Memory of one channel's presences, about. 4 MiB.
    size_t presence_bytes;
    // Hears of everything that happens, inside `chanson_client_poll`. NULL: nobody does, but callbacks of pushes.
    chanson_on_client_event on_event;
    // Comes with it.
    void *user;
    // For `wss://`: a file with the certificates (PEM) of whom to trust, NUL-terminated, or NULL for `ca_pem`; where both are
    // empty, those whom the operating system trusts.
    const char *ca_file;
    // The certificates themselves.
    struct chanson_str ca_pem;
    // For `wss://`: trusts ANYBODY, and with that whoever sits between. For experiments on one machine.
    bool danger_accept_invalid_certs;
} chanson_client_config;

// What a client has dropped, and what it holds now. Set `size` to `sizeof(chanson_client_counters)`; the rest is written by the
// library.
typedef struct chanson_client_counters {
    // `sizeof(chanson_client_counters)`.
    size_t size;
    // Pushes and pings that have not had their end.
    size_t open_pushes;
    // Bytes that wait to be sent.
    size_t queued_bytes;
    // Messages of an earlier join, dropped.
    uint64_t stale;
    // Messages of a topic without a channel, dropped.
    uint64_t unrouted;
    // Replies to nothing that waits, dropped: it had timed out, or there was one already.
    uint64_t late_replies;
    // Messages that are no channels messages, dropped.
    uint64_t undecodable;
} chanson_client_counters;

// What a connection that is let in later gets; set `size` to `sizeof(chanson_accept)`. Everything is copied.
typedef struct chanson_accept {
    // `sizeof(chanson_accept)`.
    size_t size;
    // An id that `chanson_hub_disconnect` knows it by; empty for none.
    struct chanson_str id;
    // Values assigned to it, names and values.
    const struct chanson_header *assigns;
    // How many.
    size_t assign_count;
} chanson_accept;

// An HTTP response; set `size` to `sizeof(chanson_response)`. `Content-Length` and `Connection` are added by the library.
typedef struct chanson_response {
    // `sizeof(chanson_response)`.
    size_t size;
    // The status, 200 to 599.
    uint16_t status;
    // Headers.
    const struct chanson_header *headers;
    // How many.
    size_t header_count;
    // The body.
    const void *body;
    // Its length in bytes.
    size_t body_len;
} chanson_response;

// Time limits and bounds of connections at byte level. Begin with `chanson_endpoint_config_default`.
typedef struct chanson_endpoint_config {
    // `sizeof(chanson_endpoint_config)`; set by `chanson_endpoint_config_default`.
    size_t size;
    // How long a request may take to come, however steadily it drips, in milliseconds. 5 s.
    uint64_t handshake_timeout_ms;
    // How long a connection without WebSocket may be idle between two requests, in milliseconds. 15 s.
    uint64_t keep_alive_timeout_ms;
    // How long the peer's end is waited for, in milliseconds. 2 s.
    uint64_t close_timeout_ms;
    // Bytes that the head of a request may have. 8 KiB.
    size_t max_head;
    // Headers that a request may have. 64.
    size_t max_headers;
    // Bytes that the body of a request may have. 64 KiB.
    size_t max_body;
    // What happens to a peer that does not read, once `queued_bytes_per_connection` wait for it: it is closed (1013); or, if
    // this is set, messages are dropped until it has read.
    bool drop_newest;
    // TLS on all connections, by an acceptor that has an identity. NULL: none.
    struct chanson_acceptor *acceptor;
} chanson_endpoint_config;

// One connection of an endpoint: a small value, to be copied and kept where you like. It is good from
// `chanson_endpoint_connect` to `chanson_session_close`; after that every call with it gives `CHANSON_ERR_UNKNOWN_CONN`, never
// another connection. The endpoint has to be there still.
typedef struct chanson_session {
    // Whose.
    struct chanson_endpoint *endpoint;
    // Which: the id that callbacks know it by, too.
    uint64_t conn;
} chanson_session;

// What the host has to do: what `chanson_hub_poll_output` says, and `chanson_hub_open`. Set `size` to
// `sizeof(chanson_output)` once; everything else is written by the library, and what it points to is borrowed until the next
// call on the hub.
typedef struct chanson_output {
    // `sizeof(chanson_output)`.
    size_t size;
    // A `chanson_output_kind`.
    int32_t kind;
    // `CLOSE`: the code for the close frame.
    uint16_t close_code;
    // `REFUSE`, `RESPOND`: the status of the response.
    uint16_t status;
    // Which connections; more than one only with `DELIVER`.
    const uint64_t *to;
    // How many.
    size_t to_count;
    // `DELIVER`: the WebSocket frame as a server sends it, header included. Encoded once, whatever the number of receivers.
    const void *frame;
    // Its length in bytes.
    size_t frame_len;
    // `DELIVER`: the message in it, text (`CHANSON_JSON`) or bytes, for hosts whose WebSocket library frames it itself.
    struct chanson_payload message;
    // `OPEN`: the subprotocol to name in the answer to the upgrade; empty for none. `CLOSE`: the text for the close frame.
    struct chanson_str text;
    // `OPEN`: longest message to take from the connection, in bytes.
    size_t max_message;
    // `REFUSE`, `RESPOND`: the response's headers, without those that concern the connection.
    const struct chanson_header *headers;
    // How many.
    size_t header_count;
    // `REFUSE`, `RESPOND`: the response's body.
    const void *body;
    // Its length in bytes.
    size_t body_len;
} chanson_output;

// What a hub, an endpoint or a server has seen and done, and what it holds now. Set `size` to `sizeof(chanson_stats)`; the
// rest is written by the library. Counters start at 0 and only grow. What only endpoints or servers count is 0 for others.
typedef struct chanson_stats {
    // `sizeof(chanson_stats)`.
    size_t size;
    // Connections now, whatever their phase.
    size_t connections;
    // Topics now.
    size_t topics;
    // Joins and raw subscriptions now.
    size_t joins;
    // Presences now.
    size_t presences;
    // Unanswered tickets now.
    size_t tickets;
    // Endpoint: bytes that wait to be sent now, all connections together.
    size_t queued_bytes;
    // Connections that were let in.
    uint64_t opened;
    // Connections that were refused (403: origin, `vsn`, `on_connect`).
    uint64_t refused;
    // Messages that came.
    uint64_t received;
    // Messages handed out: one for each receiver.
    uint64_t delivered;
    // Broadcasts published.
    uint64_t broadcasts;
    // Joins that were refused, by a callback or by a bound.
    uint64_t refused_joins;
    // Messages on topics that are not joined, and joins of topics that no channel serves.
    uint64_t unmatched_topics;
    // Events that no callback took.
    uint64_t unmatched_events;
    // Messages ignored since their `join_ref` was not the current one.
    uint64_t stale_join_refs;
    // Messages refused by a rate limit.
    uint64_t rate_limited;
    // Callbacks that failed: gave `CHANSON_FAIL` or `CHANSON_CRASH`.
    uint64_t crashes;
    // Deliveries of binary broadcasts not made since the subscriber's `vsn` 1 has no form for them.
    uint64_t binary_passed_over;
    // Connections closed for a message that could not be decoded.
    uint64_t undecodable;
    // Connections closed for silence.
    uint64_t idle_timeouts;
    // Tickets that nobody answered in time.
    uint64_t expired_tickets;
    // Endpoint: connections closed because they did not read.
    uint64_t slow_consumers;
    // Endpoint: messages dropped for connections that did not read.
    uint64_t dropped;
    // Server: connections that were accepted.
    uint64_t accepted;
    // Server: connections answered 503, since there were as many as `connections` of the config.
    uint64_t turned_away;
    // Server: connections that could not be accepted: no file descriptor was left, say.
    uint64_t accept_failures;
    // Server: commands of remotes that were carried out.
    uint64_t commands;
    // Server: commands among them that came to nothing: the ticket was dead, the connection gone.
    uint64_t failed_commands;
    // Connections that ended, whoever ended them.
    uint64_t closed;
    // Connections closed for a frame that RFC 6455 forbids, or text that is not UTF-8.
    uint64_t protocol_errors;
    // Connections closed for a message that was too big.
    uint64_t too_big;
    // Connections closed for an HTTP request that could not be read.
    uint64_t bad_requests;
    // Connections closed since no request came in time.
    uint64_t handshake_timeouts;
    // Connections closed for offences in a row.
    uint64_t offenders;
    // Endpoint: bytes that came.
    uint64_t bytes_in;
    // Endpoint: bytes that have left.
    uint64_t bytes_out;
    // Endpoint: the most bytes that ever waited to be sent, all connections together.
    size_t most_queued_bytes;
    // Endpoint: the most that ever waited for one connection.
    size_t most_queued_bytes_of_one;
    // Endpoint: messages that were compressed; a broadcast counts once.
    uint64_t compressions;
    // Endpoint: bytes that compression saved, over all receivers.
    uint64_t bytes_saved;
    // Server: turns of the loop.
    uint64_t turns;
    // Server: how long they took without waiting, all together, in microseconds.
    uint64_t busy_us;
    // Server: how long the longest of them took, in microseconds.
    uint64_t longest_turn_us;
    // Endpoint: connections in their TLS handshake now.
    size_t tls_handshaking;
    // Endpoint: TLS handshakes done.
    uint64_t tls_handshakes;
    // Endpoint: connections that ended in their TLS handshake, whoever ended them: no trust, no TLS, too slow.
    uint64_t tls_failures;
} chanson_stats;

// How a server treats its sockets. Begin with `chanson_server_config_default`.
typedef struct chanson_server_config {
    // `sizeof(chanson_server_config)`; set by `chanson_server_config_default`.
    size_t size;
    // Time limits at byte level, and what happens to peers that do not read; copied. NULL: the defaults.
    const struct chanson_endpoint_config *endpoint;
    // How long a shutdown waits for peers to take what they are owed and to say goodbye, in milliseconds. 5 s.
    uint64_t drain_ms;
    // Connections that the operating system keeps until they are accepted. 1024.
    uint32_t backlog;
    // Connections accepted in one turn. 128.
    uint32_t accepts_per_turn;
    // Bytes read from one connection before the others have their turn. 80 KiB.
    size_t read_per_turn;
    // Commands of remotes carried out in one turn. 256.
    size_t commands_per_turn;
    // Threads, from 1 to 1024: that which polls has the hub and runs all callbacks, the others, which the server starts, have the
    // sockets. 1: one does all.
    size_t threads;
    // For how long the operating system tries to bring bytes to a peer that does not acknowledge them, or has no room for them,
    // before it ends the connection (`TCP_USER_TIMEOUT`; Linux only), in milliseconds; 0: as long as the system likes, a quarter
    // of an hour and more. 60 s.
    uint64_t tcp_user_timeout_ms;
    // After how much silence of a peer the operating system asks whether it is still there (TCP keep-alive), in milliseconds,
    // rounded up to seconds; 0: never. Of use where connections have no idle timeout. 0.
    uint64_t tcp_keepalive_ms;
} chanson_server_config;

// Bytes to be sent. On POSIX systems an array of these is laid out as one of `struct iovec`: hand it to `writev` as it is.
typedef struct chanson_iovec {
    // The bytes.
    const void *data;
    // How many.
    size_t len;
} chanson_iovec;

// Sends bytes: `count` pieces (one at least), in order, lent until it returns and shared with other connections. Gives how many
// bytes the transport took; 0 when it takes none for now; less than 0 when it has failed. What interrupts it (`EINTR`) is its own
// business. It may not call with the endpoint, which is in use (`CHANSON_ERR_BUSY`).
typedef ptrdiff_t (*chanson_on_send)(const struct chanson_iovec *iov, size_t count, void *context);

// A certificate chain, the server's own certificate first, and its private key (not encrypted), in PEM.
typedef struct chanson_identity {
    // The chain: a file's path, NUL-terminated, or NULL for `chain_pem`.
    const char *chain_file;
    // The key: a file's path, NUL-terminated, or NULL for `key_pem`.
    const char *key_file;
    // The chain itself.
    struct chanson_str chain_pem;
    // The key itself.
    struct chanson_str key_pem;
} chanson_identity;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A builder; free it with `chanson_builder_free`. `config` may be NULL for the defaults, and is copied. NULL when `config` has
// no size, or a path that is not UTF-8.
struct chanson_builder *chanson_builder_new(const struct chanson_config *config);

// Frees a builder; what was made of it lives on. NULL is nothing.
chanson_code chanson_builder_free(struct chanson_builder *builder);

// What was refused last and why, NUL-terminated, good until the next call on the builder: also of the functions that make
// something of it.
const char *chanson_builder_error(const struct chanson_builder *builder);

// Adds a mount; `*mount` (may be NULL) is its number for `chanson_builder_serve`. Of several that match a path, the one added
// first serves it; two of the same path are refused when something is made of the builder. Everything is copied.
chanson_code chanson_builder_mount(struct chanson_builder *builder,
                                   const struct chanson_mount_config *config,
                                   uint32_t *mount);

// Adds a channel; `*channel` (may be NULL) is its number for `chanson_builder_on` and `chanson_builder_serve`. It is served by
// no mount yet. Everything is copied.
chanson_code chanson_builder_channel(struct chanson_builder *builder,
                                     const struct chanson_channel_config *config,
                                     uint32_t *channel);

// Has `on_event` handle one event of a channel, NUL-terminated, copied; a second callback for the same event replaces the
// first. `CHANSON_ERR_NOT_FOUND` when there is no such channel.
chanson_code chanson_builder_on(struct chanson_builder *builder,
                                uint32_t channel,
                                const char *event,
                                chanson_on_event on_event,
                                void *user);

// Has a mount serve a channel, behind those that it serves already: of several whose patterns match a topic, the one added
// first does. One channel may be served by several mounts. `CHANSON_ERR_NOT_FOUND` when there is no such mount or channel.
chanson_code chanson_builder_serve(struct chanson_builder *builder,
                                   uint32_t mount,
                                   uint32_t channel);

// A client, which begins to connect; free it with `chanson_client_free`. It may join and push at once: that waits for the
// connection. `*client` is NULL when it is refused, with no details kept.
//
// `CHANSON_ERR_ARGUMENT` for an address that is none, a bad header, a `vsn` that does not exist; `…_NOT_ALLOWED` for `wss://` without TLS in
// the library;
// `…_IO` when the operating system has no room.
chanson_code chanson_client_new(const struct chanson_client_config *config,
                                struct chanson_client **client);

// Frees a client: its connection is cut. To part in good order call `chanson_client_disconnect` and poll until
// `chanson_client_is_settled`. Callbacks of pushes that have not had their end are called with `ABORTED`, with NULL as the
// client. NULL is nothing. `CHANSON_ERR_BUSY` from inside a callback of its own.
chanson_code chanson_client_free(struct chanson_client *client);

// What was refused last and why, NUL-terminated, good until the next call on the client.
const char *chanson_client_error(const struct chanson_client *client);

// One turn: waits until something happens, but not longer than `timeout_ms` (0: not at all, negative: for as long as it
// takes), does what there is to do, tells the callbacks what happened, and returns. `CHANSON_ERR_IO` when the operating system
// refuses to wait; nothing that a server does is an error here. `CHANSON_ERR_BUSY` from inside a callback of its own.
chanson_code chanson_client_poll(struct chanson_client *client,
                                 int32_t timeout_ms);

// In how many milliseconds the next turn is due at the latest, even if nothing happens; `CHANSON_EMPTY`: never. For hosts that
// wait for themselves.
chanson_code chanson_client_poll_timeout(struct chanson_client *client,
                                         uint64_t *in_ms);

// A file descriptor that becomes readable when a turn is due because something happened: wait for it in a loop of your own,
// together with `chanson_client_poll_timeout`, then poll with a timeout of 0. -1 where there is none: on Windows, and for a
// client that is none.
int32_t chanson_client_fd(const struct chanson_client *client);

// Opens a connection, and keeps it open: after a loss another one is opened by itself. A new client does so already: this is
// for one that was disconnected, or that has reached the limit of `reconnect`.
chanson_code chanson_client_connect(struct chanson_client *client);

// Closes the connection and opens none. Channels stay: they join again after the next `chanson_client_connect`; pushes wait
// for it until their time is up.
chanson_code chanson_client_disconnect(struct chanson_client *client);

// Whether messages flow. False for a client that is none.
bool chanson_client_is_connected(const struct chanson_client *client);

// Whether it has no socket now and is opening none; after `chanson_client_disconnect`: whether its connection has ended, to the
// last close frame. True for a client that is none.
bool chanson_client_is_settled(const struct chanson_client *client);

// Another value for a query parameter, from the next connection on; NUL-terminated, copied.
chanson_code chanson_client_set_param(struct chanson_client *client, const char *name, const char *value);

// Another token, from the next connection on; NUL-terminated, copied. NULL: none.
chanson_code chanson_client_set_auth_token(struct chanson_client *client, const char *token);

// Joins a topic with a payload for the server: `JOINED` or `JOIN_FAILED` follows. `*channel` (may be NULL) is its id until
// `CLOSED`; 0 is an id as any other, `CHANSON_NO_CHANNEL` is none. Without a connection it is joined when there is one. A
// channel that has the topic already is left (`REPLACED`).
//
// `CHANSON_ERR_FULL`, `…_TOO_LARGE`, `…_JSON`, `…_BINARY` for bytes on `vsn` 1, `…_NOT_ALLOWED` for the topic `phoenix`.
chanson_code chanson_client_join(struct chanson_client *client,
                                 struct chanson_str topic,
                                 struct chanson_payload params,
                                 uint64_t *channel);

// `chanson_client_join` with NUL-terminated text and JSON (NULL: `{}`).
chanson_code chanson_client_join_str(struct chanson_client *client,
                                     const char *topic,
                                     const char *json,
                                     uint64_t *channel);

// Another payload for the channel's next join, the one after a loss. `CHANSON_ERR_NOT_JOINED` when it has closed; else as
// `chanson_client_join`.
chanson_code chanson_client_set_join_params(struct chanson_client *client,
                                            uint64_t channel,
                                            struct chanson_payload params);

// Leaves a channel: it is closed, whatever the server says, and pushes that wait are aborted; `CLOSED` follows.
// `CHANSON_ERR_NOT_JOINED` when it has closed before.
chanson_code chanson_client_leave(struct chanson_client *client, uint64_t channel);

// The channel of a topic, joined or trying to be; `CHANSON_NO_CHANNEL` when there is none.
uint64_t chanson_client_channel(const struct chanson_client *client, struct chanson_str topic);

// The topic of a channel, lent until the next call on the client; `CHANSON_ERR_NOT_JOINED` when it has closed.
chanson_code chanson_client_topic(struct chanson_client *client, uint64_t channel, struct chanson_str *topic);

// Whether a channel is joined now, so that a push goes out at once. False for a client that is none.
bool chanson_client_is_joined(const struct chanson_client *client, uint64_t channel);

// Sends an event to the server. When the channel is not joined (yet, or for the moment) it waits for that.
//
// Its one end follows: `REPLY`, `TIMEOUT` (`timeout_ms` of the config) or `ABORTED`. It is told to `on_reply`, once, or when
// that is NULL to the `on_event` of the config. `*push` (may be NULL) is what the end is known by.
//
// Refused, nothing is sent, and `on_reply` is not called: `CHANSON_ERR_NOT_JOINED` when the channel has closed, `…_FULL` when
// too much waits, `…_TOO_LARGE`, `…_JSON`, `…_BINARY` for bytes on `vsn` 1.
chanson_code chanson_client_push(struct chanson_client *client,
                                 uint64_t channel,
                                 struct chanson_str event,
                                 struct chanson_payload payload,
                                 chanson_on_client_event on_reply,
                                 void *user,
                                 uint64_t *push);

// `chanson_client_push`, where the answer may take so many milliseconds.
chanson_code chanson_client_push_within(struct chanson_client *client,
                                        uint64_t channel,
                                        struct chanson_str event,
                                        struct chanson_payload payload,
                                        uint64_t timeout_ms,
                                        chanson_on_client_event on_reply,
                                        void *user,
                                        uint64_t *push);

// `chanson_client_push` with NUL-terminated text and JSON (NULL: `{}`), where nobody needs the push's id.
chanson_code chanson_client_push_str(struct chanson_client *client,
                                     uint64_t channel,
                                     const char *event,
                                     const char *json,
                                     chanson_on_client_event on_reply,
                                     void *user);

// Sends a heartbeat of its own, to see how long the server takes: `PONG` follows, or `ABORTED` when the connection is lost,
// with `*push` (may be NULL). `CHANSON_ERR_NOT_ALLOWED` without a connection, `…_FULL`.
chanson_code chanson_client_ping(struct chanson_client *client,
                                 uint64_t *push);

// Keeps the list of a channel's presences: `presence_state` and `presence_diff` become `PRESENCE_JOIN`, `PRESENCE_LEAVE` and
// `PRESENCE_SYNC`, and are no messages any more. To be called right after `chanson_client_join`; later it does nothing until
// the next join. `CHANSON_ERR_NOT_JOINED` when the channel has closed.
chanson_code chanson_client_track_presence(struct chanson_client *client,
                                           uint64_t channel);

// Who is there, as JSON text `[{"key":…,"metas":[…]}, …]` in the order in which they came, lent until the next call on the
// client. `[]` unless presence is tracked and the server has sent its state. O(presences).
chanson_code chanson_client_presence(struct chanson_client *client,
                                     uint64_t channel,
                                     struct chanson_str *list);

// What a client has dropped and holds, into `*stats`, whose `size` is set.
chanson_code chanson_client_stats(const struct chanson_client *client, struct chanson_client_counters *stats);

// What `chanson_client_config_default` calls, as `chanson_config_init` is called.
chanson_code chanson_client_config_init(struct chanson_client_config *config, size_t size);

// The text of a code, in English, for ever. A number that is no code has a text too.
const char *chanson_code_text(int32_t code);

// What was refused last and why, NUL-terminated, good until the next call on the hub, its endpoint or its server.
const char *chanson_hub_error(const struct chanson_hub *hub);

// Sends an event to all who joined `topic`; nobody having done so is no error. O(subscribers), encoded once.
//
// `CHANSON_ERR_TOO_LARGE` for names beyond 255 bytes in a binary message, `…_JSON`, `…_UTF8`.
chanson_code chanson_hub_broadcast(struct chanson_hub *hub,
                                   struct chanson_str topic,
                                   struct chanson_str event,
                                   struct chanson_payload payload);

// `chanson_hub_broadcast` with NUL-terminated text and JSON (NULL: `{}`).
chanson_code chanson_hub_broadcast_str(struct chanson_hub *hub, const char *topic, const char *event, const char *json);

// Sends an event to all who joined `topic` but `conn`.
chanson_code chanson_hub_broadcast_from(struct chanson_hub *hub,
                                        uint64_t conn,
                                        struct chanson_str topic,
                                        struct chanson_str event,
                                        struct chanson_payload payload);

// Sends an event to one connection in `topic`: `CHANSON_ERR_UNKNOWN_CONN`, `…_NOT_JOINED`, `…_BINARY` for bytes to a `vsn` 1
// client.
chanson_code chanson_hub_push(struct chanson_hub *hub,
                              uint64_t conn,
                              struct chanson_str topic,
                              struct chanson_str event,
                              struct chanson_payload payload);

// Sends text to all raw subscribers of `topic`.
chanson_code chanson_hub_publish(struct chanson_hub *hub, struct chanson_str topic, struct chanson_str text);

// Answers a join or an event that was deferred: with this payload if `ok`, else with it as the error (JSON).
//
// `CHANSON_ERR_EXPIRED`, `…_WRONG_KIND`; anything else says that this answer cannot be sent, and the ticket lives on.
chanson_code chanson_hub_answer(struct chanson_hub *hub, uint64_t ticket, bool ok, struct chanson_payload payload);

// Decides on a connect that was deferred: lets it in with what `accept` says, or refuses it (403) when `accept` is NULL.
//
// `CHANSON_ERR_EXPIRED`, `…_WRONG_KIND`, `…_FULL` for too many assigns (the ticket lives on).
chanson_code chanson_hub_answer_connect(struct chanson_hub *hub,
                                        uint64_t ticket,
                                        const struct chanson_accept *accept);

// Answers an HTTP request that was deferred. `CHANSON_ERR_EXPIRED`, `…_WRONG_KIND`, `…_ARGUMENT` for a bad header.
chanson_code chanson_hub_answer_request(struct chanson_hub *hub,
                                        uint64_t ticket,
                                        const struct chanson_response *response);

// Closes all connections that have this id (see `chanson_connect_set_id`) with 1001; `*count` (may be NULL) of them. Clients
// that were built to come back do so at once: who is to stay away is refused by `on_connect` from then on.
chanson_code chanson_hub_disconnect(struct chanson_hub *hub,
                                    struct chanson_str id,
                                    size_t *count);

// Closes one connection with this code, 4000 to 4999 for one of your own; one that may not be sent is replaced by 1011.
// `CHANSON_ERR_UNKNOWN_CONN`.
chanson_code chanson_hub_close_conn(struct chanson_hub *hub, uint64_t conn, uint16_t close_code);

// Closes every connection with 1012 (service restart: clients come back) and admits no more. A server is ended by
// `chanson_server_shutdown` instead.
chanson_code chanson_hub_shutdown(struct chanson_hub *hub);

// Whether an answer to this ticket is still waited for: for a host that keeps tickets, and would be rid of dead ones. False also
// for a hub that is none.
bool chanson_hub_is_awaited(const struct chanson_hub *hub,
                            uint64_t ticket);

// How many connections `topic` has, into `*count`.
chanson_code chanson_hub_subscriber_count(const struct chanson_hub *hub, struct chanson_str topic, size_t *count);

// Who is in `topic`, as JSON text `[{"key":…,"meta":{…}}, …]`, borrowed until the next call on the hub.
chanson_code chanson_hub_presence(struct chanson_hub *hub, struct chanson_str topic, struct chanson_str *list);

// Whether a connection joined `topic`. False also for a hub that is none.
bool chanson_hub_is_joined(const struct chanson_hub *hub, uint64_t conn, struct chanson_str topic);

// A small number for a connection, dense from 0, that no two living ones share: good for indexing a table of your own.
size_t chanson_conn_index(uint64_t conn);

// What `chanson_config_default` calls: sets a struct that is `size` bytes long in the caller's header. No more than that is
// written, and what a newer header has more than this library knows is 0. `CHANSON_ERR_ARGUMENT` for a size that no header
// gives.
chanson_code chanson_config_init(struct chanson_config *config,
                                 size_t size);

// What `chanson_config_for_connections` calls, as `chanson_config_init` is called.
chanson_code chanson_config_init_for_connections(struct chanson_config *config, size_t size, size_t connections);

// What `chanson_mount_config_default` calls, as `chanson_config_init` is called.
chanson_code chanson_mount_config_init(struct chanson_mount_config *config, size_t size);

// What `chanson_channel_config_default` calls, as `chanson_config_init` is called.
chanson_code chanson_channel_config_init(struct chanson_channel_config *config, size_t size);

// Why the last call on this connection was refused; NUL-terminated, good until the next call on it.
const char *chanson_connect_error(const struct chanson_connect *connect);

// A route or query parameter, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that name.
chanson_code chanson_connect_param(const struct chanson_connect *connect,
                                   const char *name,
                                   struct chanson_str *value);

// A header of the upgrade request, its name in any case; borrowed until the callback returns. `CHANSON_ERR_NOT_FOUND` when
// there is none of that name.
chanson_code chanson_connect_header(const struct chanson_connect *connect,
                                    const char *name,
                                    struct chanson_str *value);

// The path of the upgrade request, borrowed until the callback returns.
chanson_code chanson_connect_path(const struct chanson_connect *connect, struct chanson_str *path);

// The token that phoenix.js (1.8) sends as its `authToken`, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when
// there is none or it cannot be read.
chanson_code chanson_connect_auth_token(const struct chanson_connect *connect,
                                        struct chanson_str *token);

// The peer's address and port, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when the host has not told it.
chanson_code chanson_connect_peer(const struct chanson_connect *connect,
                                  struct chanson_str *peer);

// The connection; `CHANSON_NO_CONN` when there is none.
uint64_t chanson_connect_conn(const struct chanson_connect *connect);

// Gives the connection an id that `chanson_hub_disconnect` knows it by; several connections may have the same.
chanson_code chanson_connect_set_id(struct chanson_connect *connect, struct chanson_str id);

// Assigns a value to the connection; its callbacks read it with `chanson_socket_assign`. `CHANSON_ERR_FULL` beyond
// `assigns_per_connection`.
chanson_code chanson_connect_set_assign(struct chanson_connect *connect, const char *name, struct chanson_str value);

// Puts the decision off: `*ticket` is for `chanson_hub_answer_connect` or `chanson_remote_answer_connect`. Give
// `CHANSON_LATER` then. Nobody having decided within the mount's `ticket_limit_ms`, the connection is refused (503).
//
// Refused with `CHANSON_ERR_ANSWERED` the second time, `…_FULL` when too many tickets are out.
chanson_code chanson_connect_defer(struct chanson_connect *connect, uint64_t *ticket);

// What `chanson_endpoint_config_default` calls, as `chanson_config_init` is called.
chanson_code chanson_endpoint_config_init(struct chanson_endpoint_config *config, size_t size);

// An endpoint from a builder, which stays as it is; free it with `chanson_endpoint_free`. `config` may be NULL for the
// defaults. `CHANSON_ERR_BUILD` when the mounts and channels make no hub: `chanson_builder_error` says why.
chanson_code chanson_endpoint_new(struct chanson_builder *builder,
                                  const struct chanson_endpoint_config *config,
                                  struct chanson_endpoint **endpoint);

// Frees an endpoint and all that it has, at once: nobody is told, and no callback runs but those that drop state. Its sessions
// and its hub are gone. NULL is nothing. `CHANSON_ERR_BUSY` from inside a callback.
chanson_code chanson_endpoint_free(struct chanson_endpoint *endpoint);

// What was refused last and why, NUL-terminated, good until the next call on the endpoint.
const char *chanson_endpoint_error(const struct chanson_endpoint *endpoint);

// The endpoint's hub, for commands: lent for as long as the endpoint lives, not to be freed. NULL for NULL.
struct chanson_hub *chanson_endpoint_hub(struct chanson_endpoint *endpoint);

// A transport came up: `*session` is its connection. `peer` is its address and port (`192.0.2.1:5000`,
// `[2001:db8::1]:5000`), NUL-terminated, or NULL. `user` comes back by `chanson_session_user`.
//
// `CHANSON_ERR_FULL` when there are too many: send `chanson_busy_response` and close.
chanson_code chanson_endpoint_connect(struct chanson_endpoint *endpoint,
                                      uint64_t now_ms,
                                      const char *peer,
                                      void *user,
                                      struct chanson_session *session);

// Time passed. Call it at `chanson_endpoint_poll_timeout` at the latest; too early does no harm.
chanson_code chanson_endpoint_timeout(struct chanson_endpoint *endpoint, uint64_t now_ms);

// When to call `chanson_endpoint_timeout` at the latest, in the milliseconds that the host counts; `CHANSON_EMPTY` when
// nothing is waiting.
//
// At once also when more is to be said to a connection than is queued for it at a time: send what is pending before.
chanson_code chanson_endpoint_poll_timeout(struct chanson_endpoint *endpoint, uint64_t *at_ms);

// The next connection that has something to send, or is to be shut down: each once a turn. `CHANSON_EMPTY` when that is all.
// Send what is pending, then look at `chanson_session_is_finished`.
chanson_code chanson_endpoint_poll_writable(struct chanson_endpoint *endpoint,
                                            struct chanson_session *session);

// Why the last call on this request was refused; NUL-terminated, good until the next call on it.
const char *chanson_http_error(const struct chanson_http *http);

// The answer, when the callback then gives `CHANSON_DONE`. Everything is copied. The last one counts.
//
// `CHANSON_ERR_ARGUMENT` for a header that is none, or that the library writes.
chanson_code chanson_http_respond(struct chanson_http *http, const struct chanson_response *response);

// The answer as plain text, when the callback then gives `CHANSON_DONE`. NUL-terminated.
chanson_code chanson_http_respond_text(struct chanson_http *http, uint16_t status, const char *text);

// Puts the answer off: `*ticket` is for `chanson_hub_answer_request` or `chanson_remote_answer_request`. Give `CHANSON_LATER`
// then. After 30 s without an answer it is 504.
//
// Refused with `CHANSON_ERR_ANSWERED` the second time, `…_FULL` when too many tickets are out.
chanson_code chanson_http_defer(struct chanson_http *http,
                                uint64_t *ticket);

// Sends an event to all who joined `topic`; nobody having done so is no error. So a POST reaches a room.
chanson_code chanson_http_broadcast(struct chanson_http *http,
                                    struct chanson_str topic,
                                    struct chanson_str event,
                                    struct chanson_payload payload);

// Closes all connections that have this id (1001) when the callback has returned; `*count` (may be NULL) of them.
chanson_code chanson_http_disconnect(struct chanson_http *http, struct chanson_str id, size_t *count);

// The connection that the request came on; `CHANSON_NO_CONN` when there is none.
uint64_t chanson_http_conn(const struct chanson_http *http);

// A hub of your own from a builder, which stays as it is; free it with `chanson_hub_free`. `CHANSON_ERR_BUILD` when the
// mounts and channels make none: `chanson_builder_error` says why.
chanson_code chanson_hub_new(struct chanson_builder *builder, struct chanson_hub **hub);

// Frees a hub of your own, at once: nobody is told, and no callback runs but those that drop state. NULL is nothing.
// `CHANSON_ERR_BUSY` from inside a callback, `…_HANDLE` for one that is lent.
chanson_code chanson_hub_free(struct chanson_hub *hub);

// A transport came up; nothing is known of it yet. `*conn` is its id until `chanson_hub_close`. `peer` is its address and
// port (`192.0.2.1:5000`, `[2001:db8::1]:5000`), NUL-terminated, or NULL. `CHANSON_ERR_FULL` when there are too many.
chanson_code chanson_hub_connect(struct chanson_hub *hub,
                                 uint64_t now_ms,
                                 const char *peer,
                                 uint64_t *conn);

// A connection wants to be upgraded: routes the request to a mount and asks whether it may. `*answer` says `OPEN`, `REFUSE` or
// `PENDING`. The upgrade's own headers (`Sec-WebSocket-Key` and so on) are the host's business.
chanson_code chanson_hub_open(struct chanson_hub *hub,
                              uint64_t now_ms,
                              uint64_t conn,
                              const struct chanson_request *request,
                              struct chanson_output *answer);

// An HTTP request that is no upgrade to a mount's path. `*answer` says `RESPOND` or `PENDING`.
chanson_code chanson_hub_request(struct chanson_hub *hub,
                                 uint64_t now_ms,
                                 uint64_t conn,
                                 const struct chanson_request *request,
                                 struct chanson_output *answer);

// A whole text message came. One of a connection that is not open is ignored.
chanson_code chanson_hub_text(struct chanson_hub *hub, uint64_t now_ms, uint64_t conn, const char *text, size_t len);

// A whole binary message came. One of a connection that is not open is ignored.
chanson_code chanson_hub_binary(struct chanson_hub *hub, uint64_t now_ms, uint64_t conn, const void *data, size_t len);

// Something other than a message came, a ping say: it counts as life.
chanson_code chanson_hub_alive(struct chanson_hub *hub, uint64_t now_ms, uint64_t conn);

// The transport is gone, and with it the id. `close_code` is what the peer's close frame said, 1005 if it said nothing, 1006
// if there was none. Leave callbacks run unless the hub has closed the connection itself.
chanson_code chanson_hub_close(struct chanson_hub *hub,
                               uint64_t now_ms,
                               uint64_t conn,
                               uint16_t close_code);

// Time passed: silent connections are closed, tickets that nobody answered expire. Call it at
// `chanson_hub_poll_timeout` at the latest; too early does no harm.
chanson_code chanson_hub_timeout(struct chanson_hub *hub, uint64_t now_ms);

// When to call `chanson_hub_timeout` at the latest, in the milliseconds that the host counts; `CHANSON_EMPTY` when nothing is
// waiting.
chanson_code chanson_hub_poll_timeout(struct chanson_hub *hub,
                                      uint64_t *at_ms);

// What to do next, into `*output`; `CHANSON_EMPTY` when that is all. Drain it after each turn.
chanson_code chanson_hub_poll_output(struct chanson_hub *hub, struct chanson_output *output);

// The answer to give to a transport that is one too many (`CHANSON_ERR_FULL`), before it is closed: HTTP, NUL-terminated. With
// TLS there is none to give, for it could not be read. A TCP socket that is closed at once, with the request unread, is reset,
// and the answer may be lost by that; one that is kept for a moment behind `shutdown(fd, SHUT_WR)` is not.
const char *chanson_busy_response(void);

// Asks how many connections `topic` has: `*query` is for `chanson_query_count`; free it with `chanson_query_free`.
chanson_code chanson_remote_subscriber_count(const struct chanson_remote *remote,
                                             struct chanson_str topic,
                                             struct chanson_query **query);

// Asks who is in `topic`: `*query` is for `chanson_query_presence`; free it with `chanson_query_free`.
chanson_code chanson_remote_presence(const struct chanson_remote *remote,
                                     struct chanson_str topic,
                                     struct chanson_query **query);

// The answer to `chanson_remote_subscriber_count`. Waits for it no longer than `timeout_ms` (0: not at all, negative: for as long
// as it takes); `CHANSON_EMPTY`: it is not there yet. `CHANSON_ERR_CLOSED`: the server has ended before, and there will be none.
// `CHANSON_ERR_WRONG_KIND`: it was another question. An answer stays.
chanson_code chanson_query_count(struct chanson_query *query,
                                 int32_t timeout_ms,
                                 size_t *count);

// The same for `chanson_remote_presence`: JSON text `[{"key":…,"meta":{…}}, …]`, lent for as long as the query is not freed.
chanson_code chanson_query_presence(struct chanson_query *query,
                                    int32_t timeout_ms,
                                    struct chanson_str *list);

// Frees a query, whether it was answered or not. NULL is nothing.
chanson_code chanson_query_free(struct chanson_query *query);

// Why the last call on this connection was refused; NUL-terminated, good until the next call on it.
const char *chanson_raw_error(const struct chanson_raw *raw);

// Sends a message: text (`CHANSON_JSON`, though it may be any text), or bytes.
//
// Refused with `CHANSON_ERR_UTF8`, `…_UNKNOWN_CONN` when the connection has closed.
chanson_code chanson_raw_send(struct chanson_raw *raw, struct chanson_payload message);

// Subscribes this connection to a topic: it gets the text that is published there raw, and no channel messages.
// `CHANSON_ERR_FULL` at a bound, `…_TOO_LARGE` for the topic.
chanson_code chanson_raw_subscribe(struct chanson_raw *raw, struct chanson_str topic);

// Ends a subscription; `CHANSON_ERR_NOT_FOUND` when there was none.
chanson_code chanson_raw_unsubscribe(struct chanson_raw *raw, struct chanson_str topic);

// Sends text to all raw subscribers of a topic.
chanson_code chanson_raw_broadcast(struct chanson_raw *raw, struct chanson_str topic, struct chanson_str text);

// Sends text to all raw subscribers of a topic but this connection.
chanson_code chanson_raw_broadcast_from(struct chanson_raw *raw, struct chanson_str topic, struct chanson_str text);

// Closes the connection with this code when the callback has returned.
chanson_code chanson_raw_close(struct chanson_raw *raw, uint16_t close_code);

// The connection; `CHANSON_NO_CONN` when there is none.
uint64_t chanson_raw_conn(const struct chanson_raw *raw);

// A route or query parameter, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that name.
chanson_code chanson_raw_param(const struct chanson_raw *raw,
                               const char *name,
                               struct chanson_str *value);

// A value assigned to the connection, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that
// name.
chanson_code chanson_raw_assign(const struct chanson_raw *raw,
                                const char *name,
                                struct chanson_str *value);

// A remote of a server; free it with `chanson_remote_free`, before or after the server. NULL for a server that is none, and
// from inside its callbacks.
struct chanson_remote *chanson_server_remote(struct chanson_server *server);

// Another remote of the same server, to be freed by itself. NULL for a remote that is none.
struct chanson_remote *chanson_remote_clone(const struct chanson_remote *remote);

// Frees a remote, which no thread uses any more; the server and other remotes live on. NULL is nothing.
chanson_code chanson_remote_free(struct chanson_remote *remote);

// Sends an event to all who joined `topic`. The server encodes it once.
chanson_code chanson_remote_broadcast(const struct chanson_remote *remote,
                                      struct chanson_str topic,
                                      struct chanson_str event,
                                      struct chanson_payload payload);

// `chanson_remote_broadcast` with NUL-terminated text and JSON (NULL: `{}`).
chanson_code chanson_remote_broadcast_str(const struct chanson_remote *remote,
                                          const char *topic,
                                          const char *event,
                                          const char *json);

// Sends an event to all who joined `topic` but `conn`.
chanson_code chanson_remote_broadcast_from(const struct chanson_remote *remote,
                                           uint64_t conn,
                                           struct chanson_str topic,
                                           struct chanson_str event,
                                           struct chanson_payload payload);

// Sends an event to one connection that joined `topic`.
chanson_code chanson_remote_push(const struct chanson_remote *remote,
                                 uint64_t conn,
                                 struct chanson_str topic,
                                 struct chanson_str event,
                                 struct chanson_payload payload);

// Sends text to all raw subscribers of `topic`.
chanson_code chanson_remote_publish(const struct chanson_remote *remote,
                                    struct chanson_str topic,
                                    struct chanson_str text);

// Answers a join or an event that was deferred: with this payload if `ok`, else with it as the error (JSON).
chanson_code chanson_remote_answer(const struct chanson_remote *remote,
                                   uint64_t ticket,
                                   bool ok,
                                   struct chanson_payload payload);

// Decides on a connect that was deferred: lets it in with what `accept` says, or refuses it (403) when `accept` is NULL.
chanson_code chanson_remote_answer_connect(const struct chanson_remote *remote,
                                           uint64_t ticket,
                                           const struct chanson_accept *accept);

// Answers an HTTP request that was deferred. `CHANSON_ERR_ARGUMENT` for a bad header.
chanson_code chanson_remote_answer_request(const struct chanson_remote *remote,
                                           uint64_t ticket,
                                           const struct chanson_response *response);

// Closes all connections that have this id (see `chanson_connect_set_id`) with 1001.
chanson_code chanson_remote_disconnect(const struct chanson_remote *remote, struct chanson_str id);

// Ends the server as `chanson_server_shutdown` does, behind the commands that this thread has given; called once more, it
// cuts what is left. Always taken; nothing happens when the server has ended already.
chanson_code chanson_remote_shutdown(const struct chanson_remote *remote);

// Counters and gauges as they were at the end of the server's last turn, into `*stats`, whose `size` is set.
chanson_code chanson_remote_stats(const struct chanson_remote *remote, struct chanson_stats *stats);

// Whether the server has ended or was freed: nothing said here will be heard. True for a remote that is none.
bool chanson_remote_is_closed(const struct chanson_remote *remote);

// What `chanson_server_config_default` calls, as `chanson_config_init` is called.
chanson_code chanson_server_config_init(struct chanson_server_config *config, size_t size);

// A server that listens on `address` (`127.0.0.1:4000`, port 0: any), NUL-terminated, made from a builder, which stays as it
// is; free it with `chanson_server_free`. `config` may be NULL for the defaults.
//
// `CHANSON_ERR_IO` when the address cannot be had, `…_BUILD` when the mounts and channels make no hub; `chanson_builder_error`
// says why.
chanson_code chanson_server_bind(struct chanson_builder *builder,
                                 const char *address,
                                 const struct chanson_server_config *config,
                                 struct chanson_server **server);

// Frees a server: its sockets are closed at once. To part in good order call `chanson_server_shutdown` and poll until
// `chanson_server_is_finished`. NULL is nothing. `CHANSON_ERR_BUSY` from inside a callback.
chanson_code chanson_server_free(struct chanson_server *server);

// What was refused last and why, NUL-terminated, good until the next call on the server.
const char *chanson_server_error(const struct chanson_server *server);

// The server's hub, for commands: lent for as long as the server lives, not to be freed. NULL for NULL.
struct chanson_hub *chanson_server_hub(struct chanson_server *server);

// One turn: waits until something happens, but not longer than `timeout_ms` (0: not at all, negative: for as long as it
// takes), does what there is to do, and returns. `CHANSON_ERR_IO` when the operating system refuses to wait; nothing that a
// client does is an error here.
chanson_code chanson_server_poll(struct chanson_server *server,
                                 int32_t timeout_ms);

// In how many milliseconds the next turn is due at the latest, even if nothing happens; `CHANSON_EMPTY`: never. For hosts that
// wait for themselves.
chanson_code chanson_server_poll_timeout(struct chanson_server *server,
                                         uint64_t *in_ms);

// A file descriptor that becomes readable when a turn is due because something happened: wait for it in a loop of your own,
// together with `chanson_server_poll_timeout`, then poll with a timeout of 0. -1 where there is none: on Windows, and for a
// server that is none.
int32_t chanson_server_fd(const struct chanson_server *server);

// Where it listens, as address and port; lent until the next call on the server.
chanson_code chanson_server_address(struct chanson_server *server, struct chanson_str *address);

// The port that it listens on; 0 for a server that is none.
uint16_t chanson_server_port(const struct chanson_server *server);

// Ends the server: it accepts no more, closes every connection with 1012 (clients come back), and waits for them while it is
// polled, no longer than `drain_ms`. Called once more it cuts what is left.
chanson_code chanson_server_shutdown(struct chanson_server *server);

// Whether it has ended: nothing more comes of polling it. True for a server that is none.
bool chanson_server_is_finished(const struct chanson_server *server);

// Bytes came. They are used up or copied.
chanson_code chanson_session_bytes(struct chanson_session session, uint64_t now_ms, const void *data, size_t len);

// The peer sends no more; call it again when sending fails too.
chanson_code chanson_session_eof(struct chanson_session session, uint64_t now_ms);

// The transport is gone, whoever shut it down; so is the session.
chanson_code chanson_session_close(struct chanson_session session, uint64_t now_ms);

// The next bytes to send, in one piece: `*data` and `*len`, lent until the next call on the endpoint. Nought when nothing
// waits. Say how many have left by `chanson_session_advance`.
chanson_code chanson_session_pending(struct chanson_session session,
                                     const void **data,
                                     size_t *len);

// All bytes to send, piece by piece and in order, `max` pieces at most: `*count` were written to `iov`. What they point to is
// lent until the next call on the endpoint, and shared with other connections: read it only. For one `writev` a turn. With TLS
// it is one piece at a time, and there may be more behind it: ask until there is none.
chanson_code chanson_session_pending_iov(struct chanson_session session,
                                         struct chanson_iovec *iov,
                                         size_t max,
                                         size_t *count);

// `sent` of the pending bytes have left.
chanson_code chanson_session_advance(struct chanson_session session, uint64_t now_ms, size_t sent);

// Sends what is pending by `send`, which is handed `context` and is called until nothing is left or the transport takes no more;
// `*next` is what to do then, any of `chanson_next` together. In place of `chanson_session_pending_iov`,
// `chanson_session_advance` and the questions below, in one call.
//
// `CHANSON_ERR_IO` when the transport has failed: close it, then the session.
chanson_code chanson_session_transmit(struct chanson_session session,
                                      uint64_t now_ms,
                                      chanson_on_send send,
                                      void *context,
                                      uint32_t *next);

// The next `len` pending bytes were handed to somebody who will send them (another thread, IOCP, io_uring): they stay pending,
// as they are and where they are, until `chanson_session_advance` says that they have left.
chanson_code chanson_session_commit(struct chanson_session session,
                                    size_t len);

// Whether all is said on this connection: shut its transport down, then `chanson_session_close`. True for a session that is
// none (any more).
bool chanson_session_is_finished(struct chanson_session session);

// Whether nothing more will be sent though the peer's end is still waited for: a host may shut its sending side down, which
// spares the peer from waiting.
bool chanson_session_is_done_sending(struct chanson_session session);

// Whether to read from this connection. Not while an earlier request of it waits for its answer and enough lies behind it.
bool chanson_session_wants_bytes(struct chanson_session session);

// What the host keeps with this connection; NULL for a session that is none (any more).
void *chanson_session_user(struct chanson_session session);

// Keeps something else with this connection.
chanson_code chanson_session_set_user(struct chanson_session session, void *user);

// Why the last call on this socket was refused; NUL-terminated, good until the next call on it.
const char *chanson_socket_error(const struct chanson_socket *socket);

// Sends an event to this client. From a join callback it goes out behind the join's reply.
//
// Refused with `CHANSON_ERR_BINARY`, `…_TOO_LARGE`, `…_JSON`, `…_UTF8`, `…_UNKNOWN_CONN` when the connection has closed.
chanson_code chanson_socket_push(struct chanson_socket *socket,
                                 struct chanson_str event,
                                 struct chanson_payload payload);

// `chanson_socket_push` with NUL-terminated text and JSON (NULL: `{}`).
chanson_code chanson_socket_push_str(struct chanson_socket *socket, const char *event, const char *json);

// Sends an event to all who joined this topic, this client too. Encoded once, whatever the number of receivers. A binary
// payload passes `vsn` 1 clients over.
chanson_code chanson_socket_broadcast(struct chanson_socket *socket,
                                      struct chanson_str event,
                                      struct chanson_payload payload);

// `chanson_socket_broadcast` with NUL-terminated text and JSON (NULL: `{}`).
chanson_code chanson_socket_broadcast_str(struct chanson_socket *socket, const char *event, const char *json);

// Sends an event to all who joined this topic but this client.
chanson_code chanson_socket_broadcast_from(struct chanson_socket *socket,
                                           struct chanson_str event,
                                           struct chanson_payload payload);

// `chanson_socket_broadcast_from` with NUL-terminated text and JSON (NULL: `{}`).
chanson_code chanson_socket_broadcast_from_str(struct chanson_socket *socket, const char *event, const char *json);

// Sends an event to another client in this topic; `CHANSON_ERR_NOT_JOINED` when it is not there.
chanson_code chanson_socket_push_to(struct chanson_socket *socket,
                                    uint64_t conn,
                                    struct chanson_str event,
                                    struct chanson_payload payload);

// Sends an event to this client on another topic that it joined; else `CHANSON_ERR_NOT_JOINED`.
chanson_code chanson_socket_push_on(struct chanson_socket *socket,
                                    struct chanson_str topic,
                                    struct chanson_str event,
                                    struct chanson_payload payload);

// Sends an event to all who joined another topic; this client need not have.
chanson_code chanson_socket_broadcast_on(struct chanson_socket *socket,
                                         struct chanson_str topic,
                                         struct chanson_str event,
                                         struct chanson_payload payload);

// Sends an event to all who joined another topic but this client.
chanson_code chanson_socket_broadcast_from_on(struct chanson_socket *socket,
                                              struct chanson_str topic,
                                              struct chanson_str event,
                                              struct chanson_payload payload);

// Answers the event with status `ok`. In a join callback: what the client is told when the callback lets it in; the last
// one said counts.
//
// Refused with `CHANSON_ERR_ANSWERED`, also after `chanson_socket_defer`; `…_NOT_ALLOWED` in leave callbacks; else as
// `chanson_socket_push`.
chanson_code chanson_socket_reply(struct chanson_socket *socket,
                                  struct chanson_payload payload);

// `chanson_socket_reply` with NUL-terminated JSON (NULL: `{}`).
chanson_code chanson_socket_reply_str(struct chanson_socket *socket, const char *json);

// Answers the event with a status of your own; clients know `ok` and `error`. Not in join callbacks.
chanson_code chanson_socket_reply_with(struct chanson_socket *socket,
                                       struct chanson_str status,
                                       struct chanson_payload payload);

// What the client is told when the callback gives `CHANSON_REFUSE`: JSON.
chanson_code chanson_socket_refuse(struct chanson_socket *socket, struct chanson_payload payload);

// What the client is told when the callback gives `CHANSON_REFUSE`: `{"reason": …}` with this NUL-terminated text.
chanson_code chanson_socket_refuse_reason(struct chanson_socket *socket, const char *reason);

// Puts the answer off: `*ticket` is for `chanson_hub_answer` or `chanson_remote_answer`. Give `CHANSON_LATER` then. The
// ticket dies with the join, with the connection, or after the mount's `ticket_limit_ms`.
//
// Refused with `CHANSON_ERR_ANSWERED`, `…_FULL` when too many tickets are out, `…_NOT_ALLOWED` in leave callbacks.
chanson_code chanson_socket_defer(struct chanson_socket *socket, uint64_t *ticket);

// Ends this join when the callback has returned: the client gets `phx_close`.
chanson_code chanson_socket_stop(struct chanson_socket *socket);

// Closes the whole connection with this code when the callback has returned. A code that may not be sent becomes 1011.
chanson_code chanson_socket_close(struct chanson_socket *socket, uint16_t close_code);

// Closes all connections that have this id (1001) when the callback has returned; `*count` (may be NULL) of them.
chanson_code chanson_socket_disconnect(struct chanson_socket *socket, struct chanson_str id, size_t *count);

// The topic, borrowed until the callback returns.
chanson_code chanson_socket_topic(const struct chanson_socket *socket, struct chanson_str *topic);

// The client's name for this join, as JSON text, borrowed until the callback returns.
chanson_code chanson_socket_join_ref(const struct chanson_socket *socket, struct chanson_str *join_ref);

// A route or query parameter that the connection was opened with, borrowed until the callback returns;
// `CHANSON_ERR_NOT_FOUND` when there is none of that name.
chanson_code chanson_socket_param(const struct chanson_socket *socket, const char *name, struct chanson_str *value);

// A value assigned to the connection, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that
// name.
chanson_code chanson_socket_assign(const struct chanson_socket *socket,
                                   const char *name,
                                   struct chanson_str *value);

// Assigns a value to the connection; all its joins see it. `CHANSON_ERR_FULL` beyond `assigns_per_connection`.
chanson_code chanson_socket_set_assign(struct chanson_socket *socket, const char *name, struct chanson_str value);

// The id that `chanson_connect_set_id` gave the connection, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when
// it has none.
chanson_code chanson_socket_id(const struct chanson_socket *socket,
                               struct chanson_str *id);

// The peer's address and port, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when the host has not told it.
chanson_code chanson_socket_peer(const struct chanson_socket *socket,
                                 struct chanson_str *peer);

// The connection; `CHANSON_NO_CONN` for a socket that is none.
uint64_t chanson_socket_conn(const struct chanson_socket *socket);

// Whether this client joined `topic` (any topic).
bool chanson_socket_is_joined(const struct chanson_socket *socket, struct chanson_str topic);

// How many connections `topic` has.
size_t chanson_socket_subscriber_count(const struct chanson_socket *socket, struct chanson_str topic);

// Now, in milliseconds, as the host counts (a server: since it was bound). 0 for a socket that is none.
uint64_t chanson_socket_now(const struct chanson_socket *socket);

// Keeps the host's state for this join. `drop` (may be NULL) is called with it once: when it is replaced, or when the join
// has ended, behind the leave callback. It may not call the hub. Refused, it is not called.
chanson_code chanson_socket_set_state(struct chanson_socket *socket,
                                      void *state,
                                      void (*drop)(void *state));

// The host's state for this join; NULL when there is none.
void *chanson_socket_state(const struct chanson_socket *socket);

// Shows this client under `key` in this topic, with a JSON object as `meta`; all in the topic get a `presence_diff`. It goes
// when the join ends, or by `chanson_socket_untrack`.
//
// Refused with `CHANSON_ERR_TRACKED`, `…_FULL`, `…_TOO_LARGE` (key or meta), `…_JSON` when `meta` is no object.
chanson_code chanson_socket_track(struct chanson_socket *socket,
                                  struct chanson_str key,
                                  struct chanson_payload meta);

// Replaces the meta under `key`; `CHANSON_ERR_NOT_TRACKED` when there is none.
chanson_code chanson_socket_update(struct chanson_socket *socket, struct chanson_str key, struct chanson_payload meta);

// Shows this client under `key` no more; `CHANSON_ERR_NOT_TRACKED` when it was not shown.
chanson_code chanson_socket_untrack(struct chanson_socket *socket, struct chanson_str key);

// The meta that this client shows under `key`, as JSON text, borrowed until the callback returns;
// `CHANSON_ERR_NOT_TRACKED` when there is none.
chanson_code chanson_socket_presence_meta(struct chanson_socket *socket,
                                          struct chanson_str key,
                                          struct chanson_str *meta);

// Sends this client who is here, as the `presence_state` event that phoenix.js's `Presence` reads.
chanson_code chanson_socket_push_presence_state(struct chanson_socket *socket);

// Who is here, as JSON text `[{"key":…,"meta":{…}}, …]` in the order in which they came, borrowed until the callback
// returns. O(presences).
chanson_code chanson_socket_presence_list(struct chanson_socket *socket,
                                          struct chanson_str *list);

// Counters and gauges of a hub, also of one that is lent, into `*stats`, whose `size` is set. `CHANSON_ERR_ARGUMENT` when it
// is not.
chanson_code chanson_hub_stats(const struct chanson_hub *hub,
                               struct chanson_stats *stats);

// The `chanson_str` of a NUL-terminated text, which is borrowed. NULL gives the empty text.
struct chanson_str chanson_str_of(const char *text);

// The payload that a NUL-terminated JSON text is, which is borrowed. NULL gives `{}`.
struct chanson_payload chanson_json(const char *json);

// The payload that these bytes are, which are borrowed.
struct chanson_payload chanson_binary(const void *data, size_t len);

// An acceptor that has no identity yet; free it with `chanson_acceptor_free`. `CHANSON_ERR_NOT_ALLOWED` where the library was
// built without TLS.
chanson_code chanson_acceptor_new(struct chanson_acceptor **acceptor);

// Frees an acceptor. Endpoints and servers that have it go on as they are. NULL is nothing.
chanson_code chanson_acceptor_free(struct chanson_acceptor *acceptor);

// What was refused last and why, NUL-terminated, good until the next call on the acceptor.
const char *chanson_acceptor_error(const struct chanson_acceptor *acceptor);

// Shows these identities from now on, to all that connect to whatever has this acceptor; connections that are there stay. To a
// client that says which host it looks for, the first that is for that host is shown; else the first. Files are read now and
// not again. Nothing has changed when it is refused, and `chanson_acceptor_error` says why: `CHANSON_ERR_IO` for a file that
// cannot be read, `…_ARGUMENT` for no identity, for what is no PEM, and for a key that is another's.
chanson_code chanson_acceptor_set(struct chanson_acceptor *acceptor,
                                  const struct chanson_identity *identities,
                                  size_t count);

// The library's version, `MAJOR.MINOR.PATCH`, NUL-terminated, good for ever. `CHANSON_VERSION` is that of the header which a
// program was built with; the library's may be later.
const char *chanson_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* The defaults of structs that can grow. These functions are part of the program, so that a struct has the size that the
 * program knows it by, whatever the library's is. */

/* The small table of the documents: 1024 connections, 64 topics of 256 subscribers. */
static inline chanson_config chanson_config_default(void) {
    chanson_config config;
    chanson_config_init(&config, sizeof config);
    return config;
}

/* Bounds for a server of `connections`: all of them may be in one topic, each joins up to 100 topics, and together they have 4
 * times as many topics and joins, 2 times as many presences, but nowhere less than the default. Topics and events may have 1024
 * bytes. */
static inline chanson_config chanson_config_for_connections(size_t connections) {
    chanson_config config;
    chanson_config_init_for_connections(&config, sizeof config, connections);
    return config;
}

/* Channels at `/socket` for pages of the same host. */
static inline chanson_mount_config chanson_mount_config_default(void) {
    chanson_mount_config config;
    chanson_mount_config_init(&config, sizeof config);
    return config;
}

/* All topics, and every join is let in. */
static inline chanson_channel_config chanson_channel_config_default(void) {
    chanson_channel_config config;
    chanson_channel_config_init(&config, sizeof config);
    return config;
}

/* The limits by default. */
static inline chanson_endpoint_config chanson_endpoint_config_default(void) {
    chanson_endpoint_config config;
    chanson_endpoint_config_init(&config, sizeof config);
    return config;
}

/* As a server is by default. */
static inline chanson_server_config chanson_server_config_default(void) {
    chanson_server_config config;
    chanson_server_config_init(&config, sizeof config);
    return config;
}

/* As a client is by default, but for `url`, which has to be set. */
static inline chanson_client_config chanson_client_config_default(void) {
    chanson_client_config config;
    chanson_client_config_init(&config, sizeof config);
    return config;
}

#endif /* CHANSON_H */
