/* Chanson for C++17: the C interface of chanson.h as types that clean up after themselves. Nothing but this header is needed.
 *
 * What holds for everything here, beyond what chanson.h says:
 *
 * - A handle (`builder`, `hub`, `endpoint`, `server`, `remote`, `query`, `client`) is moved, not copied, and frees what is behind it. A
 *   moved-from one may only be destroyed or assigned to; calls on it answer CHANSON_ERR_NULL.
 * - Closures are kept by the handles that call them, for as long as these live: the builder, the channels and mounts that they
 *   were given to may go before. If several handles are made of one builder, they share its closures: in several threads, what
 *   a closure captures has to bear that.
 * - A handle must not be destroyed from inside one of its own closures. One that is stays, with its closures, for ever: a leak
 *   is the lesser evil.
 * - No exception leaves a closure: one that tries becomes CHANSON_CRASH, as if the handler had panicked; it ends that join (or
 *   refuses that connection, ...) and nothing else. A client keeps it for `thrown`. Nothing here throws but `result::value()`
 *   if CHANSON_EXCEPTIONS is defined, and std::bad_alloc. It compiles with -fno-exceptions, too.
 * - What fails answers with a `result`. Text goes in as std::string_view and comes out as one, which is borrowed as long as
 *   the function of chanson.h says that is named beside it. Time is std::chrono.
 * - `raw()` is the handle of chanson.h, for what is not here.
 */

#ifndef CHANSON_HPP
#define CHANSON_HPP

#include "chanson.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef CHANSON_EXCEPTIONS
#include <stdexcept>
#endif

namespace chanson {

using std::chrono::milliseconds;

// Now, as a monotonic clock has it: the time that hubs and endpoints are told.
[[nodiscard]] inline milliseconds now() noexcept {
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
}

// Names an open connection.
using conn_id = std::uint64_t;

// Stands for an answer that is to come.
using ticket_id = std::uint64_t;

// Why something was refused: `chanson_code` and the details that its handle had.
struct refusal {
    chanson_code code = CHANSON_OK;
    std::string text;
};

#ifdef CHANSON_EXCEPTIONS
// What `result::value` throws.
class exception : public std::runtime_error {
public:
    explicit exception(const refusal &why) : std::runtime_error(why.text), code_(why.code) {}
    [[nodiscard]] chanson_code code() const noexcept { return code_; }

private:
    chanson_code code_;
};
#endif

namespace detail {

// There is no value: throws, or where exceptions are not wanted says why and ends the program.
[[noreturn]] inline void no_value(const refusal &why) {
#ifdef CHANSON_EXCEPTIONS
    throw exception(why);
#else
    std::fprintf(stderr, "chanson: %s\n", why.text.c_str());
    std::abort();
#endif
}

} // namespace detail

// A value, or why there is none.
template <class T> class [[nodiscard]] result {
public:
    result(T value) : value_(std::move(value)) {}
    result(refusal why) : why_(std::move(why)) {}

    // Whether there is a value.
    explicit operator bool() const noexcept { return value_.has_value(); }
    // The value, if there is one.
    [[nodiscard]] T &operator*() & noexcept { return *value_; }
    [[nodiscard]] const T &operator*() const & noexcept { return *value_; }
    [[nodiscard]] T &&operator*() && noexcept { return *std::move(value_); }
    [[nodiscard]] T *operator->() noexcept { return &*value_; }
    [[nodiscard]] const T *operator->() const noexcept { return &*value_; }
    // The value. Without one it throws `exception` if CHANSON_EXCEPTIONS is defined, else it ends the program.
    T &value() & { return value_ ? *value_ : (detail::no_value(why_), *value_); }
    T &&value() && { return std::move(value()); }
    // The value, or another.
    [[nodiscard]] T value_or(T other) && { return value_ ? *std::move(value_) : std::move(other); }
    // Neither the value nor whether there is one matters.
    void ignore() const noexcept {}
    // CHANSON_OK, or why there is none.
    [[nodiscard]] chanson_code code() const noexcept { return why_.code; }
    [[nodiscard]] const refusal &error() const noexcept { return why_; }

private:
    std::optional<T> value_;
    refusal why_;
};

// That it was done, or why not.
template <> class [[nodiscard]] result<void> {
public:
    result() = default;
    result(refusal why) : why_(std::move(why)) {}

    explicit operator bool() const noexcept { return why_.code == CHANSON_OK; }
    // Throws `exception` if it was not done and CHANSON_EXCEPTIONS is defined; else that ends the program.
    void value() const {
        if (!*this) detail::no_value(why_);
    }
    [[nodiscard]] chanson_code code() const noexcept { return why_.code; }
    [[nodiscard]] const refusal &error() const noexcept { return why_; }
    // Whether it worked does not matter.
    void ignore() const noexcept {}

private:
    refusal why_;
};

// What a message carries: JSON text, or bytes. Borrowed from whoever made it; text as it stands is JSON.
class payload {
public:
    payload() noexcept : raw_{CHANSON_JSON, nullptr, 0} {}
    payload(chanson_payload raw) noexcept : raw_(raw) {}
    payload(std::string_view json) noexcept : raw_{CHANSON_JSON, json.data(), json.size()} {}
    payload(const char *json) noexcept : payload(std::string_view(json)) {}
    payload(const std::string &json) noexcept : payload(std::string_view(json)) {}

    [[nodiscard]] bool is_binary() const noexcept { return raw_.kind == CHANSON_BINARY; }
    // The JSON text, or the bytes.
    [[nodiscard]] std::string_view view() const noexcept { return {static_cast<const char *>(raw_.data), raw_.len}; }
    [[nodiscard]] const void *data() const noexcept { return raw_.data; }
    [[nodiscard]] std::size_t size() const noexcept { return raw_.len; }
    [[nodiscard]] chanson_payload raw() const noexcept { return raw_; }

private:
    chanson_payload raw_;
};

// The payload that these bytes are.
[[nodiscard]] inline payload binary(const void *data, std::size_t len) noexcept { return chanson_binary(data, len); }
[[nodiscard]] inline payload binary(std::string_view bytes) noexcept { return binary(bytes.data(), bytes.size()); }

// What a closure may answer with; so may it with a `result<void>` (not done: `fail`), with nothing (`done`), or with an `answer`.
enum class verdict : std::int32_t {
    done = CHANSON_DONE,
    refuse = CHANSON_REFUSE,
    later = CHANSON_LATER,
    unmatched = CHANSON_UNMATCHED,
    fail = CHANSON_FAIL,
    crash = CHANSON_CRASH,
};

// One of these, for a closure that answers with a verdict here and with a `result<void>` there: let it say that it answers
// with this, `[](chanson::socket &socket, const chanson::join &) -> chanson::answer { ... }`.
class answer {
public:
    answer(verdict verdict) noexcept : verdict_(verdict) {}
    answer(const result<void> &done) noexcept : verdict_(done ? verdict::done : verdict::fail) {}
    operator verdict() const noexcept { return verdict_; }

private:
    verdict verdict_;
};

// A header of an HTTP message.
struct header {
    std::string_view name;
    std::string_view value;
};

// An HTTP response; see `chanson_response`.
struct response {
    std::uint16_t status = 200;
    std::vector<header> headers;
    std::string_view body;
};

// What a connection that is let in later gets; see `chanson_accept`.
struct accept {
    std::string_view id;
    std::vector<header> assigns;
};

// A request to join.
struct join {
    std::string_view topic;
    chanson::payload payload;
};

// An event of a joined client.
struct event {
    std::string_view topic;
    std::string_view name;
    chanson::payload payload;
    // The client's name for this message as JSON text; `null` if it waits for no reply.
    std::string_view ref;
};

// The end of a join.
struct leave {
    std::string_view topic;
    chanson_leave_reason reason;
    std::uint16_t close_code;
};

// A handler that failed.
struct fault {
    conn_id conn;
    std::string_view place;
    std::string_view event;
    std::string_view text;
    bool crashed;
};

namespace detail {

inline chanson_str str(std::string_view text) noexcept { return {text.data(), text.size()}; }
inline std::string_view view(chanson_str text) noexcept { return {text.data, text.len}; }
inline std::uint64_t count(milliseconds time) noexcept {
    return time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

// How long to wait, for functions that wait for as long as it takes when it is negative.
inline std::int32_t wait_of(milliseconds time) noexcept {
    const auto most = std::numeric_limits<std::int32_t>::max();
    return count(time) > static_cast<std::uint64_t>(most) ? most : static_cast<std::int32_t>(count(time));
}

inline result<void> checked(chanson_code code, const char *why) {
    if (code == CHANSON_OK) return {};
    return refusal{code, why};
}

// Header lists as chanson.h has them.
inline std::vector<chanson_header> headers(const std::vector<header> &from) {
    std::vector<chanson_header> to;
    to.reserve(from.size());
    for (const header &each : from) to.push_back({str(each.name), str(each.value)});
    return to;
}

inline chanson_response response_of(const response &from, const std::vector<chanson_header> &headers) noexcept {
    return {sizeof(chanson_response), from.status, headers.data(), headers.size(), from.body.data(), from.body.size()};
}

inline std::int32_t number(verdict verdict) noexcept { return static_cast<std::int32_t>(verdict); }
inline std::int32_t number(answer answer) noexcept { return number(static_cast<verdict>(answer)); }
inline std::int32_t number(const result<void> &done) noexcept { return number(answer(done)); }

// A closure whose answer is a verdict's number, whatever it answers with.
template <class... Args, class F> std::function<std::int32_t(Args...)> numbered(F closure) {
    return [closure = std::move(closure)](Args... args) mutable -> std::int32_t {
        if constexpr (std::is_void_v<std::invoke_result_t<F &, Args...>>) {
            closure(args...);
            return CHANSON_DONE;
        } else {
            return number(closure(args...));
        }
    };
}

// Calls a closure so that no exception comes out.
template <class F> std::int32_t guarded(F &&call) noexcept {
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    try {
        return call();
    } catch (...) {
        return CHANSON_CRASH;
    }
#else
    return call();
#endif
}

// A host's state behind a `void *`, which knows what it is.
struct box_base {
    explicit box_base(const void *type) noexcept : tag(type) {}
    box_base(const box_base &) = delete;
    box_base &operator=(const box_base &) = delete;
    virtual ~box_base() = default;
    const void *tag;
};
template <class T> struct box final : box_base {
    template <class... Args> explicit box(Args &&...args) : box_base(&is), value{std::forward<Args>(args)...} {}
    T value;
    static inline char is = 0;
};
inline void drop_box(void *box) noexcept { delete static_cast<box_base *>(box); }

// A handle of chanson.h and the closures that it calls, which go after it.
template <class T, chanson_code (*Free)(T *)> class owned {
public:
    owned() = default;
    owned(T *raw, std::shared_ptr<void> kept) noexcept : raw_(raw), kept_(std::move(kept)) {}
    owned(owned &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)), kept_(std::move(other.kept_)) {}
    owned &operator=(owned other) noexcept {
        std::swap(raw_, other.raw_);
        std::swap(kept_, other.kept_);
        return *this;
    }
    ~owned() {
        // Still in use, so it lives on; then the closures have to.
        if (Free(raw_) == CHANSON_ERR_BUSY) static_cast<void>(new (std::nothrow) std::shared_ptr<void>(kept_));
    }
    [[nodiscard]] T *get() const noexcept { return raw_; }
    [[nodiscard]] const std::shared_ptr<void> &kept() const noexcept { return kept_; }

private:
    T *raw_ = nullptr;
    std::shared_ptr<void> kept_;
};

// What a view that callbacks are handed cannot do: outlive them.
class lent {
public:
    lent(const lent &) = delete;
    lent &operator=(const lent &) = delete;

protected:
    lent() = default;
    ~lent() = default;
};

} // namespace detail

// A connection before it opens.
class connect : detail::lent {
public:
    explicit connect(chanson_connect *raw) noexcept : raw_(raw) {}

    [[nodiscard]] std::optional<std::string_view> param(const std::string &name) const {
        return get(&chanson_connect_param, name);
    }
    // A header of the upgrade request, its name in any case.
    [[nodiscard]] std::optional<std::string_view> header(const std::string &name) const {
        return get(&chanson_connect_header, name);
    }
    [[nodiscard]] std::optional<std::string_view> auth_token() const { return get(&chanson_connect_auth_token); }
    [[nodiscard]] std::optional<std::string_view> peer() const { return get(&chanson_connect_peer); }
    [[nodiscard]] std::string_view path() const { return get(&chanson_connect_path).value_or(std::string_view()); }
    [[nodiscard]] conn_id conn() const noexcept { return chanson_connect_conn(raw_); }
    result<void> set_id(std::string_view id) { return checked(chanson_connect_set_id(raw_, detail::str(id))); }
    result<void> set_assign(const std::string &name, std::string_view value) {
        return checked(chanson_connect_set_assign(raw_, name.c_str(), detail::str(value)));
    }
    // Puts the decision off; answer `verdict::later` then.
    result<ticket_id> defer() {
        ticket_id ticket = 0;
        const chanson_code code = chanson_connect_defer(raw_, &ticket);
        if (code != CHANSON_OK) return refusal{code, chanson_connect_error(raw_)};
        return ticket;
    }
    [[nodiscard]] chanson_connect *raw() const noexcept { return raw_; }

private:
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_connect_error(raw_));
    }
    template <class F> std::optional<std::string_view> get(F of, const std::string &name) const {
        chanson_str text;
        if (of(raw_, name.c_str(), &text) != CHANSON_OK) return {};
        return detail::view(text);
    }
    template <class F> std::optional<std::string_view> get(F of) const {
        chanson_str text;
        if (of(raw_, &text) != CHANSON_OK) return {};
        return detail::view(text);
    }

    chanson_connect *raw_;
};

// One client in one topic, as the closures of a channel see it. Not to be kept.
class socket : detail::lent {
public:
    explicit socket(chanson_socket *raw) noexcept : raw_(raw) {}

    // To this client.
    result<void> push(std::string_view event, payload payload = {}) {
        return checked(chanson_socket_push(raw_, detail::str(event), payload.raw()));
    }
    // To all in this topic.
    result<void> broadcast(std::string_view event, payload payload = {}) {
        return checked(chanson_socket_broadcast(raw_, detail::str(event), payload.raw()));
    }
    // To all in this topic but this client.
    result<void> broadcast_from(std::string_view event, payload payload = {}) {
        return checked(chanson_socket_broadcast_from(raw_, detail::str(event), payload.raw()));
    }
    // To another client in this topic.
    result<void> push_to(conn_id conn, std::string_view event, payload payload = {}) {
        return checked(chanson_socket_push_to(raw_, conn, detail::str(event), payload.raw()));
    }
    // The same for another topic: to this client, to all, to all but this client.
    result<void> push_on(std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_socket_push_on(raw_, detail::str(topic), detail::str(event), payload.raw()));
    }
    result<void> broadcast_on(std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_socket_broadcast_on(raw_, detail::str(topic), detail::str(event), payload.raw()));
    }
    result<void> broadcast_from_on(std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_socket_broadcast_from_on(raw_, detail::str(topic), detail::str(event), payload.raw()));
    }
    // Answers the event, or says what a join is answered with.
    result<void> reply(payload payload = {}) { return checked(chanson_socket_reply(raw_, payload.raw())); }
    result<void> reply_with(std::string_view status, payload payload = {}) {
        return checked(chanson_socket_reply_with(raw_, detail::str(status), payload.raw()));
    }
    // What the client is told by `verdict::refuse`, which it answers with: `return socket.refuse("full");`
    verdict refuse(const std::string &reason) {
        return chanson_socket_refuse_reason(raw_, reason.c_str()) == CHANSON_OK ? verdict::refuse : verdict::fail;
    }
    verdict refuse_with(payload payload) {
        return chanson_socket_refuse(raw_, payload.raw()) == CHANSON_OK ? verdict::refuse : verdict::fail;
    }
    // Puts the answer off; answer `verdict::later` then.
    result<ticket_id> defer() {
        ticket_id ticket = 0;
        const chanson_code code = chanson_socket_defer(raw_, &ticket);
        if (code != CHANSON_OK) return refusal{code, chanson_socket_error(raw_)};
        return ticket;
    }

    result<void> track(std::string_view key, payload meta = {}) {
        return checked(chanson_socket_track(raw_, detail::str(key), meta.raw()));
    }
    result<void> update(std::string_view key, payload meta) {
        return checked(chanson_socket_update(raw_, detail::str(key), meta.raw()));
    }
    result<void> untrack(std::string_view key) { return checked(chanson_socket_untrack(raw_, detail::str(key))); }
    result<std::string_view> presence_meta(std::string_view key) {
        return text([&](chanson_str *to) { return chanson_socket_presence_meta(raw_, detail::str(key), to); });
    }
    result<std::string_view> presence_list() {
        return text([&](chanson_str *to) { return chanson_socket_presence_list(raw_, to); });
    }
    result<void> push_presence_state() { return checked(chanson_socket_push_presence_state(raw_)); }

    [[nodiscard]] std::string_view topic() const { return get(&chanson_socket_topic).value_or(std::string_view()); }
    [[nodiscard]] std::string_view join_ref() const { return get(&chanson_socket_join_ref).value_or(std::string_view()); }
    [[nodiscard]] std::optional<std::string_view> param(const std::string &name) const {
        return get(&chanson_socket_param, name);
    }
    [[nodiscard]] std::optional<std::string_view> assign(const std::string &name) const {
        return get(&chanson_socket_assign, name);
    }
    result<void> set_assign(const std::string &name, std::string_view value) {
        return checked(chanson_socket_set_assign(raw_, name.c_str(), detail::str(value)));
    }
    [[nodiscard]] std::optional<std::string_view> id() const { return get(&chanson_socket_id); }
    [[nodiscard]] std::optional<std::string_view> peer() const { return get(&chanson_socket_peer); }
    [[nodiscard]] conn_id conn() const noexcept { return chanson_socket_conn(raw_); }
    [[nodiscard]] bool is_joined(std::string_view topic) const noexcept {
        return chanson_socket_is_joined(raw_, detail::str(topic));
    }
    [[nodiscard]] std::size_t subscriber_count(std::string_view topic) const noexcept {
        return chanson_socket_subscriber_count(raw_, detail::str(topic));
    }
    [[nodiscard]] milliseconds now() const noexcept {
        return milliseconds(static_cast<milliseconds::rep>(chanson_socket_now(raw_)));
    }

    // Makes the host's state for this join, in place of what was there. It goes with the join, behind the leave closure;
    // its destructor may not call the hub. (A join whose state was set by `chanson_socket_set_state` is not to be asked here.)
    template <class T, class... Args> result<T *> set_state(Args &&...args) {
        auto made = std::make_unique<detail::box<T>>(std::forward<Args>(args)...);
        detail::box_base *base = made.get();
        const chanson_code code = chanson_socket_set_state(raw_, base, [](void *state) { detail::drop_box(state); });
        if (code != CHANSON_OK) return refusal{code, chanson_socket_error(raw_)};
        return &made.release()->value;
    }
    // The host's state for this join, if there is some and it is a `T`.
    template <class T> [[nodiscard]] T *state() const noexcept {
        auto *base = static_cast<detail::box_base *>(chanson_socket_state(raw_));
        return base && base->tag == &detail::box<T>::is ? &static_cast<detail::box<T> *>(base)->value : nullptr;
    }

    // Ends this join when the closure has returned.
    result<void> stop() { return checked(chanson_socket_stop(raw_)); }
    // Closes the connection when the closure has returned.
    result<void> close(std::uint16_t code = 1000) { return checked(chanson_socket_close(raw_, code)); }
    // Closes all connections that have this id; so many.
    result<std::size_t> disconnect(std::string_view id) {
        std::size_t count = 0;
        const chanson_code code = chanson_socket_disconnect(raw_, detail::str(id), &count);
        if (code != CHANSON_OK) return refusal{code, chanson_socket_error(raw_)};
        return count;
    }
    [[nodiscard]] chanson_socket *raw() const noexcept { return raw_; }

private:
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_socket_error(raw_));
    }
    template <class F> result<std::string_view> text(F of) const {
        chanson_str text;
        const chanson_code code = of(&text);
        if (code != CHANSON_OK) return refusal{code, chanson_socket_error(raw_)};
        return detail::view(text);
    }
    template <class F> std::optional<std::string_view> get(F of, const std::string &name) const {
        chanson_str text;
        if (of(raw_, name.c_str(), &text) != CHANSON_OK) return {};
        return detail::view(text);
    }
    template <class F> std::optional<std::string_view> get(F of) const {
        chanson_str text;
        if (of(raw_, &text) != CHANSON_OK) return {};
        return detail::view(text);
    }

    chanson_socket *raw_;
};

// One raw connection. Not to be kept.
class raw_socket : detail::lent {
public:
    explicit raw_socket(chanson_raw *raw) noexcept : raw_(raw) {}

    // Sends text (any text), or bytes.
    result<void> send(payload message) { return checked(chanson_raw_send(raw_, message.raw())); }
    result<void> subscribe(std::string_view topic) { return checked(chanson_raw_subscribe(raw_, detail::str(topic))); }
    result<void> unsubscribe(std::string_view topic) { return checked(chanson_raw_unsubscribe(raw_, detail::str(topic))); }
    result<void> broadcast(std::string_view topic, std::string_view text) {
        return checked(chanson_raw_broadcast(raw_, detail::str(topic), detail::str(text)));
    }
    result<void> broadcast_from(std::string_view topic, std::string_view text) {
        return checked(chanson_raw_broadcast_from(raw_, detail::str(topic), detail::str(text)));
    }
    result<void> close(std::uint16_t code = 1000) { return checked(chanson_raw_close(raw_, code)); }
    [[nodiscard]] conn_id conn() const noexcept { return chanson_raw_conn(raw_); }
    [[nodiscard]] std::optional<std::string_view> param(const std::string &name) const {
        return get(&chanson_raw_param, name);
    }
    [[nodiscard]] std::optional<std::string_view> assign(const std::string &name) const {
        return get(&chanson_raw_assign, name);
    }
    [[nodiscard]] chanson_raw *raw() const noexcept { return raw_; }

private:
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_raw_error(raw_));
    }
    template <class F> std::optional<std::string_view> get(F of, const std::string &name) const {
        chanson_str text;
        if (of(raw_, name.c_str(), &text) != CHANSON_OK) return {};
        return detail::view(text);
    }

    chanson_raw *raw_;
};

// A plain HTTP request, and how to answer it. Not to be kept.
class http : detail::lent {
public:
    http(chanson_http *raw, const chanson_request *request) noexcept : raw_(raw), request_(request) {}

    [[nodiscard]] std::string_view method() const noexcept { return detail::view(request_->method); }
    [[nodiscard]] std::string_view target() const noexcept { return detail::view(request_->target); }
    [[nodiscard]] std::string_view path() const noexcept { return detail::view(request_->path); }
    [[nodiscard]] std::string_view body() const noexcept {
        return {static_cast<const char *>(request_->body), request_->body_len};
    }
    // The first header of that name, in any case.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept {
        for (std::size_t i = 0; i < request_->header_count; i++) {
            if (same(detail::view(request_->headers[i].name), name)) return detail::view(request_->headers[i].value);
        }
        return {};
    }
    [[nodiscard]] conn_id conn() const noexcept { return chanson_http_conn(raw_); }

    result<void> respond(const response &response) {
        const auto headers = detail::headers(response.headers);
        const chanson_response made = detail::response_of(response, headers);
        return checked(chanson_http_respond(raw_, &made));
    }
    result<void> respond_text(std::uint16_t status, const std::string &text) {
        return checked(chanson_http_respond_text(raw_, status, text.c_str()));
    }
    // Puts the answer off; answer `verdict::later` then.
    result<ticket_id> defer() {
        ticket_id ticket = 0;
        const chanson_code code = chanson_http_defer(raw_, &ticket);
        if (code != CHANSON_OK) return refusal{code, chanson_http_error(raw_)};
        return ticket;
    }
    result<void> broadcast(std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_http_broadcast(raw_, detail::str(topic), detail::str(event), payload.raw()));
    }
    result<std::size_t> disconnect(std::string_view id) {
        std::size_t count = 0;
        const chanson_code code = chanson_http_disconnect(raw_, detail::str(id), &count);
        if (code != CHANSON_OK) return refusal{code, chanson_http_error(raw_)};
        return count;
    }
    [[nodiscard]] chanson_http *raw() const noexcept { return raw_; }

private:
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_http_error(raw_));
    }
    static bool same(std::string_view a, std::string_view b) noexcept {
        const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
        if (a.size() != b.size()) return false;
        for (std::size_t i = 0; i < a.size(); i++) {
            if (lower(a[i]) != lower(b[i])) return false;
        }
        return true;
    }

    chanson_http *raw_;
    const chanson_request *request_;
};

namespace detail {

using event_call = std::function<std::int32_t(socket &, const event &)>;

struct channel_calls {
    std::function<std::int32_t(socket &, const join &)> on_join;
    std::function<std::int32_t(socket &, const leave &)> on_leave;
    event_call on_event;
};

struct mount_calls {
    std::function<std::int32_t(connect &)> on_connect;
    std::function<std::int32_t(raw_socket &)> on_open;
    std::function<std::int32_t(raw_socket &, const payload &)> on_message;
    std::function<std::int32_t(raw_socket &, std::uint16_t)> on_close;
};

struct hub_calls {
    std::function<std::int32_t(http &)> on_request;
    std::function<std::int32_t(const fault &)> on_fault;
    std::function<std::int32_t(chanson_level, std::string_view)> on_log;
};

inline std::int32_t on_connect(chanson_connect *raw, void *user) noexcept {
    return guarded([&] {
        connect view(raw);
        return static_cast<mount_calls *>(user)->on_connect(view);
    });
}
inline std::int32_t on_join(chanson_socket *raw, const chanson_join *with, void *user) noexcept {
    return guarded([&] {
        socket view(raw);
        return static_cast<channel_calls *>(user)->on_join(view, join{detail::view(with->topic), with->payload});
    });
}
inline std::int32_t on_leave(chanson_socket *raw, const chanson_leave *why, void *user) noexcept {
    return guarded([&] {
        socket view(raw);
        const auto reason = static_cast<chanson_leave_reason>(why->reason);
        return static_cast<channel_calls *>(user)->on_leave(view, leave{detail::view(why->topic), reason, why->close_code});
    });
}
inline std::int32_t handle(const event_call &call, chanson_socket *raw, const chanson_event *msg) noexcept {
    return guarded([&] {
        socket view(raw);
        return call(view, event{detail::view(msg->topic), detail::view(msg->event), msg->payload, detail::view(msg->ref)});
    });
}
inline std::int32_t on_event(chanson_socket *raw, const chanson_event *msg, void *user) noexcept {
    return handle(static_cast<channel_calls *>(user)->on_event, raw, msg);
}
inline std::int32_t on_one_event(chanson_socket *raw, const chanson_event *msg, void *user) noexcept {
    return handle(*static_cast<event_call *>(user), raw, msg);
}
inline std::int32_t on_open(chanson_raw *raw, void *user) noexcept {
    return guarded([&] {
        raw_socket view(raw);
        return static_cast<mount_calls *>(user)->on_open(view);
    });
}
inline std::int32_t on_message(chanson_raw *raw, const chanson_payload *message, void *user) noexcept {
    return guarded([&] {
        raw_socket view(raw);
        return static_cast<mount_calls *>(user)->on_message(view, payload(*message));
    });
}
inline std::int32_t on_close(chanson_raw *raw, std::uint16_t code, void *user) noexcept {
    return guarded([&] {
        raw_socket view(raw);
        return static_cast<mount_calls *>(user)->on_close(view, code);
    });
}
inline std::int32_t on_request(chanson_http *raw, const chanson_request *request, void *user) noexcept {
    return guarded([&] {
        http view(raw, request);
        return static_cast<hub_calls *>(user)->on_request(view);
    });
}
// Nobody is left to hear of a fault in what hears of faults.
inline void on_fault(const chanson_fault *of, void *user) noexcept {
    guarded([&] {
        const fault view{of->conn, detail::view(of->place), detail::view(of->event), detail::view(of->text), of->crashed};
        return static_cast<hub_calls *>(user)->on_fault(view);
    });
}
inline void on_log(std::int32_t level, chanson_str text, void *user) noexcept {
    guarded([&] { return static_cast<hub_calls *>(user)->on_log(static_cast<chanson_level>(level), detail::view(text)); });
}

} // namespace detail

// A channel: a topic pattern and what is done for its topics. Handed to `mount::serve`, which copies it.
class channel {
public:
    // The topic, or `prefix:*` for all that begin so.
    explicit channel(std::string_view pattern) : pattern_(pattern) {}

    // Decides on a join: `(socket &, const join &)`. Without one every join is let in.
    template <class F> channel &on_join(F closure) {
        calls_.on_join = detail::numbered<socket &, const join &>(std::move(closure));
        return *this;
    }
    // Hears of the end of a join: `(socket &, const leave &)`.
    template <class F> channel &on_leave(F closure) {
        calls_.on_leave = detail::numbered<socket &, const leave &>(std::move(closure));
        return *this;
    }
    // Handles one event: `(socket &, const event &)`.
    template <class F> channel &on(std::string_view name, F closure) {
        events_.emplace_back(name, detail::numbered<socket &, const event &>(std::move(closure)));
        return *this;
    }
    // Handles every event that has no closure of its own: `(socket &, const event &)`.
    template <class F> channel &on_any(F closure) {
        calls_.on_event = detail::numbered<socket &, const event &>(std::move(closure));
        return *this;
    }

private:
    friend class builder;
    std::string pattern_;
    detail::channel_calls calls_;
    std::vector<std::pair<std::string, detail::event_call>> events_;
};

// A mount: a path with its protocol, its checks and its limits. Handed to `builder::mount`, which copies it.
class mount {
public:
    // Channels at this path.
    explicit mount(std::string_view path = "/socket") : path_(path) {}
    // A raw WebSocket at this path.
    [[nodiscard]] static mount raw(std::string_view path) {
        mount made(path);
        made.config_.raw = true;
        return made;
    }

    // Serves a channel, behind those that it serves already.
    mount &serve(channel channel) {
        channels_.push_back(std::move(channel));
        return *this;
    }
    // Which pages may connect, as `chanson_mount_config` has it.
    mount &origins(std::string_view origins) {
        origins_ = origins;
        return *this;
    }
    mount &max_message(std::size_t bytes) { return set([&](auto &config) { config.max_message = bytes; }); }
    mount &idle_timeout(milliseconds limit) {
        return set([&](auto &config) { config.idle_timeout_ms = detail::count(limit); });
    }
    mount &ticket_limit(milliseconds limit) {
        return set([&](auto &config) { config.ticket_limit_ms = detail::count(limit); });
    }
    mount &max_joins(std::size_t count) { return set([&](auto &config) { config.max_joins = count; }); }
    mount &rate(std::uint32_t burst, std::uint32_t per_second, bool disconnects = false) {
        return set([&](auto &config) {
            config.rate_burst = burst;
            config.rate_per_second = per_second;
            config.rate_disconnects = disconnects;
        });
    }
    // Messages in a row that may be refused before the connection is closed (1008); 0: any number.
    mount &max_offences(std::uint16_t count) { return set([&](auto &config) { config.max_offences = count; }); }
    // Compresses messages for clients that offer it (permessage-deflate); with `takeover` they may refer to earlier ones. How
    // well (1, fast, to 9, short), and from how many bytes on.
    mount &deflate(bool takeover = false) {
        return set([&](auto &config) {
            config.deflate = true;
            config.deflate_takeover = takeover;
        });
    }
    mount &deflate_level(std::uint8_t level) { return set([&](auto &config) { config.deflate_level = level; }); }
    mount &deflate_threshold(std::size_t bytes) { return set([&](auto &config) { config.deflate_threshold = bytes; }); }
    // Decides who may connect: `(connect &)`.
    template <class F> mount &on_connect(F closure) {
        calls_.on_connect = detail::numbered<connect &>(std::move(closure));
        return *this;
    }
    // Raw: a connection has opened, `(raw_socket &)`; a message came, `(raw_socket &, const payload &)`; it has ended,
    // `(raw_socket &, std::uint16_t code)`.
    template <class F> mount &on_open(F closure) {
        calls_.on_open = detail::numbered<raw_socket &>(std::move(closure));
        return *this;
    }
    template <class F> mount &on_message(F closure) {
        calls_.on_message = detail::numbered<raw_socket &, const payload &>(std::move(closure));
        return *this;
    }
    template <class F> mount &on_close(F closure) {
        calls_.on_close = detail::numbered<raw_socket &, std::uint16_t>(std::move(closure));
        return *this;
    }

private:
    friend class builder;
    template <class F> mount &set(F change) {
        change(config_);
        return *this;
    }
    std::string path_;
    std::optional<std::string> origins_;
    chanson_mount_config config_ = chanson_mount_config_default();
    detail::mount_calls calls_;
    std::vector<channel> channels_;
};

// The bounds of a hub, and what is called for all of it.
struct config {
    // Bounds; its callbacks are those below.
    chanson_config bounds = chanson_config_default();
    // Answers HTTP requests that no mount takes.
    std::function<answer(http &)> on_request;
    // Hears of every handler that failed.
    std::function<void(const fault &)> on_fault;
    // Hears of what happens, failures too, a line each: the library's log.
    std::function<void(chanson_level, std::string_view)> on_log;

    // Bounds for a server of so many connections.
    [[nodiscard]] static config for_connections(std::size_t connections) {
        config made;
        made.bounds = chanson_config_for_connections(connections);
        return made;
    }
};

// Mounts and channels, from which any number of hubs, endpoints and servers can be made.
class builder {
public:
    explicit builder(const config &config = {}) {
        auto closures = std::make_shared<std::vector<std::shared_ptr<void>>>();
        chanson_config bounds = config.bounds;
        auto calls = std::make_shared<detail::hub_calls>();
        if (config.on_request) calls->on_request = detail::numbered<http &>(config.on_request);
        if (config.on_fault) calls->on_fault = detail::numbered<const fault &>(config.on_fault);
        if (config.on_log) calls->on_log = detail::numbered<chanson_level, std::string_view>(config.on_log);
        bounds.on_log = calls->on_log ? &detail::on_log : nullptr;
        bounds.on_request = calls->on_request ? &detail::on_request : nullptr;
        bounds.on_fault = calls->on_fault ? &detail::on_fault : nullptr;
        bounds.user = calls.get();
        closures->push_back(std::move(calls));
        closures_ = closures.get();
        raw_ = {chanson_builder_new(&bounds), std::move(closures)};
        if (!raw_.get()) failed_ = refusal{CHANSON_ERR_ARGUMENT, "the bounds have no size"};
    }

    // Adds a mount with its channels. What is refused is said by what is made of the builder, and by `status`.
    builder &mount(const chanson::mount &from) {
        auto calls = keep(from.calls_);
        chanson_mount_config config = from.config_;
        config.path = from.path_.c_str();
        config.origins = from.origins_ ? from.origins_->c_str() : nullptr;
        config.on_connect = calls->on_connect ? &detail::on_connect : nullptr;
        config.on_open = calls->on_open ? &detail::on_open : nullptr;
        config.on_message = calls->on_message ? &detail::on_message : nullptr;
        config.on_close = calls->on_close ? &detail::on_close : nullptr;
        config.user = calls;
        std::uint32_t number = 0;
        if (note(chanson_builder_mount(raw(), &config, &number))) {
            for (const channel &each : from.channels_) serve(number, each);
        }
        return *this;
    }
    // Whether all of it was taken.
    [[nodiscard]] result<void> status() const {
        if (failed_.code == CHANSON_OK) return {};
        return failed_;
    }
    [[nodiscard]] chanson_builder *raw() const noexcept { return raw_.get(); }

private:
    friend class hub;
    friend class endpoint;
    friend class server;

    void serve(std::uint32_t mount, const channel &from) {
        auto calls = keep(from.calls_);
        chanson_channel_config config = chanson_channel_config_default();
        config.pattern = from.pattern_.c_str();
        config.on_join = calls->on_join ? &detail::on_join : nullptr;
        config.on_leave = calls->on_leave ? &detail::on_leave : nullptr;
        config.on_event = calls->on_event ? &detail::on_event : nullptr;
        config.user = calls;
        std::uint32_t number = 0;
        if (!note(chanson_builder_channel(raw(), &config, &number))) return;
        for (const auto &[name, call] : from.events_) {
            note(chanson_builder_on(raw(), number, name.c_str(), &detail::on_one_event, keep(call)));
        }
        note(chanson_builder_serve(raw(), mount, number));
    }
    template <class T> T *keep(const T &closure) {
        auto kept = std::make_shared<T>(closure);
        T *at = kept.get();
        closures_->push_back(std::move(kept));
        return at;
    }
    bool note(chanson_code code) {
        if (code != CHANSON_OK && failed_.code == CHANSON_OK) failed_ = refusal{code, chanson_builder_error(raw())};
        return code == CHANSON_OK;
    }
    // A handle made of this builder, which shares its closures.
    template <class Made, class Owned, class F> result<Made> make(F of) const {
        if (failed_.code != CHANSON_OK) return failed_;
        decltype(std::declval<Owned>().get()) made = nullptr;
        const chanson_code code = of(raw(), &made);
        if (code != CHANSON_OK) return refusal{code, chanson_builder_error(raw())};
        return Made(Owned(made, raw_.kept()));
    }

    detail::owned<chanson_builder, &chanson_builder_free> raw_;
    std::vector<std::shared_ptr<void>> *closures_ = nullptr;
    refusal failed_;
};

// What can be told to any hub, wherever it is.
template <class Self> class commands {
public:
    // To all in a topic.
    result<void> broadcast(std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_hub_broadcast(hub(), detail::str(topic), detail::str(event), payload.raw()));
    }
    // To all in a topic but one.
    result<void> broadcast_from(conn_id conn, std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_hub_broadcast_from(hub(), conn, detail::str(topic), detail::str(event), payload.raw()));
    }
    // To one in a topic.
    result<void> push(conn_id conn, std::string_view topic, std::string_view event, payload payload = {}) {
        return checked(chanson_hub_push(hub(), conn, detail::str(topic), detail::str(event), payload.raw()));
    }
    // To all raw subscribers of a topic.
    result<void> publish(std::string_view topic, std::string_view text) {
        return checked(chanson_hub_publish(hub(), detail::str(topic), detail::str(text)));
    }
    // Answers a join or an event that was deferred.
    result<void> answer(ticket_id ticket, bool ok, payload payload = {}) {
        return checked(chanson_hub_answer(hub(), ticket, ok, payload.raw()));
    }
    // Lets a connection in that was deferred, or refuses it.
    result<void> accept_connect(ticket_id ticket, const accept &accept = {}) {
        const auto assigns = detail::headers(accept.assigns);
        const chanson_accept made{sizeof(chanson_accept), detail::str(accept.id), assigns.data(), assigns.size()};
        return checked(chanson_hub_answer_connect(hub(), ticket, &made));
    }
    result<void> refuse_connect(ticket_id ticket) { return checked(chanson_hub_answer_connect(hub(), ticket, nullptr)); }
    // Answers an HTTP request that was deferred.
    result<void> answer_request(ticket_id ticket, const response &response) {
        const auto headers = detail::headers(response.headers);
        const chanson_response made = detail::response_of(response, headers);
        return checked(chanson_hub_answer_request(hub(), ticket, &made));
    }
    // Closes all connections that have this id; so many.
    result<std::size_t> disconnect(std::string_view id) {
        std::size_t count = 0;
        const chanson_code code = chanson_hub_disconnect(hub(), detail::str(id), &count);
        if (code != CHANSON_OK) return refusal{code, chanson_hub_error(hub())};
        return count;
    }
    // Closes one connection.
    result<void> close_conn(conn_id conn, std::uint16_t code = 1000) {
        return checked(chanson_hub_close_conn(hub(), conn, code));
    }
    // How many are in a topic.
    [[nodiscard]] std::size_t subscriber_count(std::string_view topic) const noexcept {
        std::size_t count = 0;
        chanson_hub_subscriber_count(hub(), detail::str(topic), &count);
        return count;
    }
    // Who is in a topic, as JSON text, borrowed until the next call on the hub.
    result<std::string_view> presence(std::string_view topic) {
        chanson_str list;
        const chanson_code code = chanson_hub_presence(hub(), detail::str(topic), &list);
        if (code != CHANSON_OK) return refusal{code, chanson_hub_error(hub())};
        return detail::view(list);
    }
    // Whether an answer to this ticket is still waited for.
    [[nodiscard]] bool is_awaited(ticket_id ticket) const noexcept { return chanson_hub_is_awaited(hub(), ticket); }
    [[nodiscard]] bool is_joined(conn_id conn, std::string_view topic) const noexcept {
        return chanson_hub_is_joined(hub(), conn, detail::str(topic));
    }
    // Counters and gauges; all 0 for a hub that is in use.
    [[nodiscard]] chanson_stats stats() const noexcept {
        chanson_stats stats{};
        stats.size = sizeof stats;
        chanson_hub_stats(hub(), &stats);
        return stats;
    }

protected:
    commands() = default;
    ~commands() = default;
    commands(const commands &) = default;
    commands &operator=(const commands &) = default;
    [[nodiscard]] chanson_hub *hub() const noexcept { return static_cast<const Self *>(this)->raw(); }
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_hub_error(hub()));
    }
};

// The hub of an endpoint or a server, lent for as long as that lives.
class hub_ref : public commands<hub_ref> {
public:
    explicit hub_ref(chanson_hub *raw) noexcept : raw_(raw) {}
    [[nodiscard]] chanson_hub *raw() const noexcept { return raw_; }

private:
    chanson_hub *raw_;
};

// A hub of your own: messages in, messages out.
class hub : public commands<hub> {
public:
    [[nodiscard]] static result<hub> make(const builder &from) {
        return from.make<hub, handle>([](auto *builder, auto **made) { return chanson_hub_new(builder, made); });
    }

    // A transport came up.
    result<conn_id> connect(milliseconds now, const std::string &peer = {}) {
        conn_id conn = CHANSON_NO_CONN;
        const char *from = peer.empty() ? nullptr : peer.c_str();
        const chanson_code code = chanson_hub_connect(raw(), detail::count(now), from, &conn);
        if (code != CHANSON_OK) return refusal{code, chanson_hub_error(raw())};
        return conn;
    }
    // It wants to be upgraded; the answer says `OPEN`, `REFUSE` or `PENDING`, and is borrowed until the next call.
    result<chanson_output> open(milliseconds now, conn_id conn, std::string_view target,
                                const std::vector<header> &headers = {}) {
        return ask(&chanson_hub_open, now, conn, "GET", target, headers, {});
    }
    // It requests something else; the answer says `RESPOND` or `PENDING`.
    result<chanson_output> request(milliseconds now, conn_id conn, std::string_view method, std::string_view target,
                                   const std::vector<header> &headers = {}, std::string_view body = {}) {
        return ask(&chanson_hub_request, now, conn, method, target, headers, body);
    }
    result<void> text(milliseconds now, conn_id conn, std::string_view text) {
        return checked(chanson_hub_text(raw(), detail::count(now), conn, text.data(), text.size()));
    }
    result<void> binary(milliseconds now, conn_id conn, std::string_view bytes) {
        return checked(chanson_hub_binary(raw(), detail::count(now), conn, bytes.data(), bytes.size()));
    }
    result<void> alive(milliseconds now, conn_id conn) {
        return checked(chanson_hub_alive(raw(), detail::count(now), conn));
    }
    // The transport is gone.
    result<void> close(milliseconds now, conn_id conn, std::uint16_t code = 1006) {
        return checked(chanson_hub_close(raw(), detail::count(now), conn, code));
    }
    result<void> timeout(milliseconds now) { return checked(chanson_hub_timeout(raw(), detail::count(now))); }
    // When to call `timeout` at the latest.
    [[nodiscard]] std::optional<milliseconds> poll_timeout() {
        std::uint64_t at = 0;
        if (chanson_hub_poll_timeout(raw(), &at) != CHANSON_OK) return {};
        return milliseconds(static_cast<milliseconds::rep>(at));
    }
    // What to do next, borrowed until the next call.
    [[nodiscard]] std::optional<chanson_output> poll_output() {
        chanson_output output{};
        output.size = sizeof output;
        if (chanson_hub_poll_output(raw(), &output) != CHANSON_OK) return {};
        return output;
    }
    // Closes every connection, and admits no more.
    result<void> shutdown() { return checked(chanson_hub_shutdown(raw())); }
    [[nodiscard]] chanson_hub *raw() const noexcept { return raw_.get(); }

private:
    friend class builder;
    using handle = detail::owned<chanson_hub, &chanson_hub_free>;
    explicit hub(handle raw) noexcept : raw_(std::move(raw)) {}
    template <class F>
    result<chanson_output> ask(F what, milliseconds now, conn_id conn, std::string_view method, std::string_view target,
                               const std::vector<header> &headers, std::string_view body) {
        const auto list = detail::headers(headers);
        const chanson_request request{sizeof request, detail::str(method), detail::str(target), {nullptr, 0},
                                      list.data(), list.size(), body.data(), body.size()};
        chanson_output answer{};
        answer.size = sizeof answer;
        const chanson_code code = what(raw(), detail::count(now), conn, &request, &answer);
        if (code != CHANSON_OK) return refusal{code, chanson_hub_error(raw())};
        return answer;
    }
    handle raw_;
};

namespace detail {

// A host's closure that sends, and what it threw.
template <class Send> struct sending {
    Send &send;
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    std::exception_ptr thrown = nullptr;
    void rethrow() const {
        if (thrown) std::rethrow_exception(thrown);
    }
    static std::ptrdiff_t call(const chanson_iovec *iov, std::size_t count, void *context) noexcept {
        auto *self = static_cast<sending *>(context);
        try {
            return static_cast<std::ptrdiff_t>(self->send(iov, count));
        } catch (...) {
            self->thrown = std::current_exception();
            return -1;
        }
    }
#else
    void rethrow() const {}
    static std::ptrdiff_t call(const chanson_iovec *iov, std::size_t count, void *context) noexcept {
        return static_cast<std::ptrdiff_t>(static_cast<sending *>(context)->send(iov, count));
    }
#endif
};

} // namespace detail

// One connection of an endpoint: a small value. After `close` every call with it is answered CHANSON_ERR_UNKNOWN_CONN.
class session {
public:
    session() noexcept : raw_{nullptr, CHANSON_NO_CONN} {}
    explicit session(chanson_session raw) noexcept : raw_(raw) {}

    [[nodiscard]] conn_id conn() const noexcept { return raw_.conn; }
    // Bytes came.
    result<void> bytes(milliseconds now, const void *data, std::size_t len) {
        return checked(chanson_session_bytes(raw_, detail::count(now), data, len));
    }
    result<void> bytes(milliseconds now, std::string_view data) { return bytes(now, data.data(), data.size()); }
    // The peer sends no more.
    result<void> eof(milliseconds now) { return checked(chanson_session_eof(raw_, detail::count(now))); }
    // The transport is gone.
    result<void> close(milliseconds now) { return checked(chanson_session_close(raw_, detail::count(now))); }
    // The next bytes to send, lent until the next call on the endpoint.
    [[nodiscard]] std::string_view pending() const noexcept {
        const void *data = nullptr;
        std::size_t len = 0;
        if (chanson_session_pending(raw_, &data, &len) != CHANSON_OK) return {};
        return {static_cast<const char *>(data), len};
    }
    // All of them, piece by piece; so many pieces were written.
    [[nodiscard]] std::size_t pending(chanson_iovec *iov, std::size_t max) const noexcept {
        std::size_t count = 0;
        return chanson_session_pending_iov(raw_, iov, max, &count) == CHANSON_OK ? count : 0;
    }
    // So many have left.
    result<void> advance(milliseconds now, std::size_t sent) {
        return checked(chanson_session_advance(raw_, detail::count(now), sent));
    }
    // Sends what is pending by `send(const chanson_iovec *, std::size_t)`, which gives how many bytes have left, 0 for none now, less
    // when the transport has failed; what is to be done then, any of `chanson_next` together. What `send` throws comes out of here.
    template <class Send> result<std::uint32_t> transmit(milliseconds now, Send &&send) {
        detail::sending<Send> sending{send};
        std::uint32_t next = 0;
        const chanson_code code =
            chanson_session_transmit(raw_, detail::count(now), &detail::sending<Send>::call, &sending, &next);
        sending.rethrow();
        if (result<void> done = checked(code); !done) return done.error();
        return next;
    }
    // So many stay where they are until `advance`.
    result<void> commit(std::size_t len) { return checked(chanson_session_commit(raw_, len)); }
    [[nodiscard]] bool is_finished() const noexcept { return chanson_session_is_finished(raw_); }
    [[nodiscard]] bool is_done_sending() const noexcept { return chanson_session_is_done_sending(raw_); }
    [[nodiscard]] bool wants_bytes() const noexcept { return chanson_session_wants_bytes(raw_); }
    [[nodiscard]] void *user() const noexcept { return chanson_session_user(raw_); }
    result<void> set_user(void *user) { return checked(chanson_session_set_user(raw_, user)); }
    [[nodiscard]] chanson_session raw() const noexcept { return raw_; }

    friend bool operator==(const session &a, const session &b) noexcept {
        return a.raw_.endpoint == b.raw_.endpoint && a.raw_.conn == b.raw_.conn;
    }
    friend bool operator!=(const session &a, const session &b) noexcept { return !(a == b); }

private:
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_endpoint_error(raw_.endpoint));
    }
    chanson_session raw_;
};

// Who servers with TLS are: its `get()` goes into the configuration of endpoints and servers, which go on without it. To be kept by
// those who show other certificates later, without a restart.
class acceptor {
public:
    // One that is nobody yet. CHANSON_ERR_NOT_ALLOWED where the library was built without TLS.
    [[nodiscard]] static result<acceptor> make() {
        chanson_acceptor *raw = nullptr;
        const chanson_code code = chanson_acceptor_new(&raw);
        if (code != CHANSON_OK) return refusal{code, chanson_code_text(code)};
        return acceptor(raw);
    }

    // Shows the first of these that is for the host that a client looks for, or else the first.
    result<void> set(const std::vector<chanson_identity> &identities) {
        return checked(chanson_acceptor_set(raw_.get(), identities.data(), identities.size()));
    }
    // Shows this chain and its key, from files in PEM.
    result<void> set_files(const std::string &chain, const std::string &key) {
        return set({chanson_identity{chain.c_str(), key.c_str(), {nullptr, 0}, {nullptr, 0}}});
    }
    // Shows this chain and its key, in PEM.
    result<void> set_pem(std::string_view chain, std::string_view key) {
        return set({chanson_identity{nullptr, nullptr, detail::str(chain), detail::str(key)}});
    }
    [[nodiscard]] chanson_acceptor *get() const noexcept { return raw_.get(); }

private:
    explicit acceptor(chanson_acceptor *raw) noexcept : raw_(raw, nullptr) {}
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_acceptor_error(raw_.get()));
    }

    detail::owned<chanson_acceptor, &chanson_acceptor_free> raw_;
};

// A hub and the sessions of its connections: bytes in, bytes out.
class endpoint {
public:
    [[nodiscard]] static result<endpoint> make(const builder &from,
                                               const chanson_endpoint_config &config = chanson_endpoint_config_default()) {
        return from.make<endpoint, handle>(
            [&](auto *builder, auto **made) { return chanson_endpoint_new(builder, &config, made); });
    }

    [[nodiscard]] hub_ref hub() const noexcept { return hub_ref(chanson_endpoint_hub(raw())); }
    // A transport came up. CHANSON_ERR_FULL: send `chanson_busy_response()` and close.
    result<session> connect(milliseconds now, const std::string &peer = {}, void *user = nullptr) {
        chanson_session made{};
        const char *from = peer.empty() ? nullptr : peer.c_str();
        const chanson_code code = chanson_endpoint_connect(raw(), detail::count(now), from, user, &made);
        if (code != CHANSON_OK) return refusal{code, chanson_endpoint_error(raw())};
        return session(made);
    }
    result<void> timeout(milliseconds now) {
        const chanson_code code = chanson_endpoint_timeout(raw(), detail::count(now));
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_endpoint_error(raw()));
    }
    // When to call `timeout` at the latest.
    [[nodiscard]] std::optional<milliseconds> poll_timeout() {
        std::uint64_t at = 0;
        if (chanson_endpoint_poll_timeout(raw(), &at) != CHANSON_OK) return {};
        return milliseconds(static_cast<milliseconds::rep>(at));
    }
    // The next connection that has something to send, or is to be shut down: each once a turn.
    [[nodiscard]] std::optional<session> poll_writable() {
        chanson_session next{};
        if (chanson_endpoint_poll_writable(raw(), &next) != CHANSON_OK) return {};
        return session(next);
    }
    [[nodiscard]] chanson_endpoint *raw() const noexcept { return raw_.get(); }

private:
    friend class builder;
    using handle = detail::owned<chanson_endpoint, &chanson_endpoint_free>;
    explicit endpoint(handle raw) noexcept : raw_(std::move(raw)) {}
    handle raw_;
};

// A question that a `remote` has put to its server, and its answer: how many, or text that is lent for as long as this lives. It
// comes with one of the server's next turns, so the thread that polls the server must not wait for it: that asks the hub.
template <class T> class query {
public:
    // The answer, for which this waits no longer than so long, by default not at all. CHANSON_EMPTY: it is not there yet;
    // CHANSON_ERR_CLOSED: the server has ended before.
    result<T> get(milliseconds timeout = milliseconds(0)) { return get_within(detail::wait_of(timeout)); }
    // The answer, for which this waits as long as it takes.
    result<T> wait() { return get_within(-1); }
    [[nodiscard]] chanson_query *raw() const noexcept { return raw_.get(); }

private:
    friend class remote;
    explicit query(chanson_query *raw) noexcept : raw_(raw, nullptr) {}
    result<T> get_within(std::int32_t timeout_ms) {
        if constexpr (std::is_same_v<T, std::size_t>) {
            std::size_t count = 0;
            const chanson_code code = chanson_query_count(raw(), timeout_ms, &count);
            if (code != CHANSON_OK) return refusal{code, chanson_code_text(code)};
            return count;
        } else {
            chanson_str list{};
            const chanson_code code = chanson_query_presence(raw(), timeout_ms, &list);
            if (code != CHANSON_OK) return refusal{code, chanson_code_text(code)};
            return detail::view(list);
        }
    }
    detail::owned<chanson_query, &chanson_query_free> raw_;
};

// Talks to a server from other threads: any number of them may use one at the same time, also while the server is polled. No
// call waits. That a command was taken is all that its result says. It may outlive the server.
class remote {
public:
    // Another one of the same server.
    [[nodiscard]] remote clone() const noexcept { return remote(chanson_remote_clone(raw())); }

    result<void> broadcast(std::string_view topic, std::string_view event, payload payload = {}) const {
        return taken(chanson_remote_broadcast(raw(), detail::str(topic), detail::str(event), payload.raw()));
    }
    result<void> broadcast_from(conn_id conn, std::string_view topic, std::string_view event, payload payload = {}) const {
        return taken(chanson_remote_broadcast_from(raw(), conn, detail::str(topic), detail::str(event), payload.raw()));
    }
    result<void> push(conn_id conn, std::string_view topic, std::string_view event, payload payload = {}) const {
        return taken(chanson_remote_push(raw(), conn, detail::str(topic), detail::str(event), payload.raw()));
    }
    result<void> publish(std::string_view topic, std::string_view text) const {
        return taken(chanson_remote_publish(raw(), detail::str(topic), detail::str(text)));
    }
    result<void> answer(ticket_id ticket, bool ok, payload payload = {}) const {
        return taken(chanson_remote_answer(raw(), ticket, ok, payload.raw()));
    }
    result<void> accept_connect(ticket_id ticket, const accept &accept = {}) const {
        const auto assigns = detail::headers(accept.assigns);
        const chanson_accept made{sizeof(chanson_accept), detail::str(accept.id), assigns.data(), assigns.size()};
        return taken(chanson_remote_answer_connect(raw(), ticket, &made));
    }
    result<void> refuse_connect(ticket_id ticket) const {
        return taken(chanson_remote_answer_connect(raw(), ticket, nullptr));
    }
    result<void> answer_request(ticket_id ticket, const response &response) const {
        const auto headers = detail::headers(response.headers);
        const chanson_response made = detail::response_of(response, headers);
        return taken(chanson_remote_answer_request(raw(), ticket, &made));
    }
    result<void> disconnect(std::string_view id) const { return taken(chanson_remote_disconnect(raw(), detail::str(id))); }
    // How many are in a topic: `server.remote().subscriber_count("room:1").value().wait()`.
    result<query<std::size_t>> subscriber_count(std::string_view topic) const {
        chanson_query *asked = nullptr;
        const chanson_code code = chanson_remote_subscriber_count(raw(), detail::str(topic), &asked);
        if (code != CHANSON_OK) return refusal{code, chanson_code_text(code)};
        return query<std::size_t>(asked);
    }
    // Who is in a topic, as JSON text.
    result<query<std::string_view>> presence(std::string_view topic) const {
        chanson_query *asked = nullptr;
        const chanson_code code = chanson_remote_presence(raw(), detail::str(topic), &asked);
        if (code != CHANSON_OK) return refusal{code, chanson_code_text(code)};
        return query<std::string_view>(asked);
    }
    result<void> shutdown() const { return taken(chanson_remote_shutdown(raw())); }
    // Counters and gauges as they were at the end of the last turn.
    [[nodiscard]] chanson_stats stats() const noexcept {
        chanson_stats stats{};
        stats.size = sizeof stats;
        chanson_remote_stats(raw(), &stats);
        return stats;
    }
    [[nodiscard]] bool is_closed() const noexcept { return chanson_remote_is_closed(raw()); }
    [[nodiscard]] chanson_remote *raw() const noexcept { return raw_.get(); }

private:
    friend class server;
    explicit remote(chanson_remote *raw) noexcept : raw_(raw, nullptr) {}
    static result<void> taken(chanson_code code) { return detail::checked(code, chanson_code_text(code)); }
    detail::owned<chanson_remote, &chanson_remote_free> raw_;
};

// A server with sockets and an event loop in it, which turns when it is polled.
class server {
public:
    // Listens on `address` (`127.0.0.1:4000`, port 0: any).
    [[nodiscard]] static result<server> bind(const builder &from, const std::string &address,
                                             const chanson_server_config &config = chanson_server_config_default()) {
        return from.make<server, handle>([&](auto *builder, auto **made) {
            return chanson_server_bind(builder, address.c_str(), &config, made);
        });
    }

    [[nodiscard]] hub_ref hub() const noexcept { return hub_ref(chanson_server_hub(raw())); }
    // For other threads.
    [[nodiscard]] chanson::remote remote() const noexcept { return chanson::remote(chanson_server_remote(raw())); }
    // One turn, which waits for something to happen no longer than so long; by default not at all.
    result<void> poll(milliseconds timeout = milliseconds(0)) { return turn(detail::wait_of(timeout)); }
    // One turn, which waits for as long as it takes.
    result<void> wait() { return turn(-1); }
    // In how long the next turn is due at the latest, even if nothing happens.
    [[nodiscard]] std::optional<milliseconds> poll_timeout() {
        std::uint64_t in = 0;
        if (chanson_server_poll_timeout(raw(), &in) != CHANSON_OK) return {};
        return milliseconds(static_cast<milliseconds::rep>(in));
    }
    // Becomes readable when a turn is due because something happened; -1 where there is none.
    [[nodiscard]] int fd() const noexcept { return chanson_server_fd(raw()); }
    [[nodiscard]] std::string address() const {
        chanson_str text;
        if (chanson_server_address(raw(), &text) != CHANSON_OK) return {};
        return std::string(detail::view(text));
    }
    [[nodiscard]] std::uint16_t port() const noexcept { return chanson_server_port(raw()); }
    // Ends it in good order, while it is polled on; a second time at once.
    result<void> shutdown() { return checked(chanson_server_shutdown(raw())); }
    [[nodiscard]] bool is_finished() const noexcept { return chanson_server_is_finished(raw()); }
    [[nodiscard]] chanson_server *raw() const noexcept { return raw_.get(); }

private:
    friend class builder;
    using handle = detail::owned<chanson_server, &chanson_server_free>;
    explicit server(handle raw) noexcept : raw_(std::move(raw)) {}
    result<void> turn(std::int32_t timeout) { return checked(chanson_server_poll(raw(), timeout)); }
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_server_error(raw()));
    }
    handle raw_;
};

// What happened to a client; see `chanson_client_event`. Not to be kept.
class client_event : detail::lent {
public:
    explicit client_event(const chanson_client_event &raw) noexcept : raw_(raw) {}

    // A kind that is none of these is to be ignored.
    [[nodiscard]] chanson_client_event_kind kind() const noexcept {
        return static_cast<chanson_client_event_kind>(raw_.kind);
    }
    [[nodiscard]] chanson_client_reason reason() const noexcept { return static_cast<chanson_client_reason>(raw_.reason); }
    [[nodiscard]] std::uint64_t channel() const noexcept { return raw_.channel; }
    [[nodiscard]] std::uint64_t push() const noexcept { return raw_.push; }
    [[nodiscard]] std::string_view topic() const noexcept { return detail::view(raw_.topic); }
    [[nodiscard]] std::string_view name() const noexcept { return detail::view(raw_.event); }
    [[nodiscard]] chanson::payload payload() const noexcept { return raw_.payload; }
    [[nodiscard]] std::string_view status() const noexcept { return detail::view(raw_.status); }
    [[nodiscard]] bool ok() const noexcept { return raw_.ok; }
    [[nodiscard]] std::uint16_t code() const noexcept { return raw_.code; }
    [[nodiscard]] std::string_view text() const noexcept { return detail::view(raw_.text); }
    // In how long the next try is, if there is one.
    [[nodiscard]] std::optional<milliseconds> retry_in() const noexcept {
        if (raw_.retry_in_ms < 0) return {};
        return milliseconds(raw_.retry_in_ms);
    }
    [[nodiscard]] std::chrono::microseconds round_trip() const noexcept {
        return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(raw_.round_trip_us));
    }
    [[nodiscard]] std::string_view key() const noexcept { return detail::view(raw_.key); }
    [[nodiscard]] std::string_view current() const noexcept { return detail::view(raw_.current); }
    [[nodiscard]] std::string_view changed() const noexcept { return detail::view(raw_.changed); }
    [[nodiscard]] const chanson_client_event &raw() const noexcept { return raw_; }

private:
    const chanson_client_event &raw_;
};

class client_ref;

namespace detail {

struct client_calls {
    std::function<void(client_ref &, const client_event &)> on_event;
    std::exception_ptr thrown;
};

// A closure that hears of the one end of a push, and goes then.
struct reply_call {
    std::function<void(client_ref &, const client_event &)> on_reply;
    client_calls *calls;
};

inline void on_client_event(chanson_client *raw, const chanson_client_event *event, void *user) noexcept;
inline void on_client_reply(chanson_client *raw, const chanson_client_event *event, void *user) noexcept;

} // namespace detail

// What can be told to a client, also from inside its closures.
template <class Self> class client_commands {
public:
    // Joins a topic; its channel's id, good until `CHANSON_CLIENT_CLOSED`.
    result<std::uint64_t> join(std::string_view topic, payload params = {}) {
        std::uint64_t channel = CHANSON_NO_CHANNEL;
        const chanson_code code = chanson_client_join(raw(), detail::str(topic), params.raw(), &channel);
        if (code != CHANSON_OK) return refusal{code, chanson_client_error(raw())};
        return channel;
    }
    result<void> set_join_params(std::uint64_t channel, payload params) {
        return checked(chanson_client_set_join_params(raw(), channel, params.raw()));
    }
    result<void> leave(std::uint64_t channel) { return checked(chanson_client_leave(raw(), channel)); }
    // Sends an event; its one end is told to the `on_event` of the config, which knows it by this id.
    result<std::uint64_t> push(std::uint64_t channel, std::string_view event, payload payload = {}) {
        std::uint64_t push = CHANSON_NO_PUSH;
        const chanson_code code =
            chanson_client_push(raw(), channel, detail::str(event), payload.raw(), nullptr, nullptr, &push);
        if (code != CHANSON_OK) return refusal{code, chanson_client_error(raw())};
        return push;
    }
    // The same; its one end is told to `on_reply`, `(client_ref &, const client_event &)`: `CHANSON_CLIENT_REPLY`,
    // `..._TIMEOUT` or `..._ABORTED`. As the client is destroyed it is called, too, with a `client_ref` that is none.
    template <class F>
    result<std::uint64_t> push(std::uint64_t channel, std::string_view event, payload payload, F on_reply) {
        return asked(std::move(on_reply), [&](auto of, void *user, std::uint64_t *push) {
            return chanson_client_push(raw(), channel, detail::str(event), payload.raw(), of, user, push);
        });
    }
    // The same, where the answer may take so long.
    template <class F>
    result<std::uint64_t> push_within(std::uint64_t channel, std::string_view event, payload payload, milliseconds timeout,
                                      F on_reply) {
        return asked(std::move(on_reply), [&](auto of, void *user, std::uint64_t *push) {
            return chanson_client_push_within(raw(), channel, detail::str(event), payload.raw(), detail::count(timeout), of,
                                              user, push);
        });
    }
    // Asks how long the server takes; `CHANSON_CLIENT_PONG` follows.
    result<std::uint64_t> ping() {
        std::uint64_t push = CHANSON_NO_PUSH;
        const chanson_code code = chanson_client_ping(raw(), &push);
        if (code != CHANSON_OK) return refusal{code, chanson_client_error(raw())};
        return push;
    }
    result<void> track_presence(std::uint64_t channel) { return checked(chanson_client_track_presence(raw(), channel)); }
    // Who is there, as JSON text, lent until the next call on the client.
    result<std::string_view> presence(std::uint64_t channel) {
        chanson_str list;
        const chanson_code code = chanson_client_presence(raw(), channel, &list);
        if (code != CHANSON_OK) return refusal{code, chanson_client_error(raw())};
        return detail::view(list);
    }
    result<void> connect() { return checked(chanson_client_connect(raw())); }
    result<void> disconnect() { return checked(chanson_client_disconnect(raw())); }
    result<void> set_param(const std::string &name, const std::string &value) {
        return checked(chanson_client_set_param(raw(), name.c_str(), value.c_str()));
    }
    result<void> set_auth_token(const std::string &token) {
        return checked(chanson_client_set_auth_token(raw(), token.c_str()));
    }
    [[nodiscard]] bool is_connected() const noexcept { return chanson_client_is_connected(raw()); }
    // Whether it has no socket and is opening none.
    [[nodiscard]] bool is_settled() const noexcept { return chanson_client_is_settled(raw()); }
    [[nodiscard]] bool is_joined(std::uint64_t channel) const noexcept { return chanson_client_is_joined(raw(), channel); }
    // The topic of a channel, lent until the next call on the client.
    result<std::string_view> topic(std::uint64_t channel) {
        chanson_str text;
        const chanson_code code = chanson_client_topic(raw(), channel, &text);
        if (code != CHANSON_OK) return refusal{code, chanson_client_error(raw())};
        return detail::view(text);
    }
    // The channel of a topic; CHANSON_NO_CHANNEL when there is none.
    [[nodiscard]] std::uint64_t channel(std::string_view topic) const noexcept {
        return chanson_client_channel(raw(), detail::str(topic));
    }
    [[nodiscard]] chanson_client_counters stats() const noexcept {
        chanson_client_counters stats{};
        stats.size = sizeof stats;
        chanson_client_stats(raw(), &stats);
        return stats;
    }

protected:
    client_commands() = default;
    ~client_commands() = default;
    client_commands(const client_commands &) = default;
    client_commands &operator=(const client_commands &) = default;
    [[nodiscard]] const Self &self() const noexcept { return *static_cast<const Self *>(this); }
    [[nodiscard]] chanson_client *raw() const noexcept { return self().raw(); }
    result<void> checked(chanson_code code) const {
        return detail::checked(code, code == CHANSON_OK ? "" : chanson_client_error(raw()));
    }

private:
    // A push whose one end is told to a closure, which is kept until then.
    template <class F, class Push> result<std::uint64_t> asked(F on_reply, Push how) {
        auto call = std::make_unique<detail::reply_call>(detail::reply_call{std::move(on_reply), self().calls()});
        std::uint64_t push = CHANSON_NO_PUSH;
        const chanson_code code = how(&detail::on_client_reply, call.get(), &push);
        if (code != CHANSON_OK) return refusal{code, chanson_client_error(raw())};
        call.release();
        return push;
    }
};

// A client as its closures see it: none, and false, when it is being destroyed. Not to be kept.
class client_ref : public client_commands<client_ref>, detail::lent {
public:
    client_ref(chanson_client *raw, detail::client_calls *calls) noexcept : raw_(raw), calls_(calls) {}
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    [[nodiscard]] chanson_client *raw() const noexcept { return raw_; }

private:
    friend client_commands<client_ref>;
    [[nodiscard]] detail::client_calls *calls() const noexcept { return calls_; }
    chanson_client *raw_;
    detail::client_calls *calls_;
};

namespace detail {

inline void hear(const std::function<void(client_ref &, const client_event &)> &call, chanson_client *raw,
                 const chanson_client_event *event, client_calls *calls) noexcept {
    client_ref client(raw, calls);
#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
    try {
        call(client, client_event(*event));
    } catch (...) {
        if (!calls->thrown) calls->thrown = std::current_exception();
    }
#else
    call(client, client_event(*event));
#endif
}
inline void on_client_event(chanson_client *raw, const chanson_client_event *event, void *user) noexcept {
    auto *calls = static_cast<client_calls *>(user);
    hear(calls->on_event, raw, event, calls);
}
inline void on_client_reply(chanson_client *raw, const chanson_client_event *event, void *user) noexcept {
    const std::unique_ptr<reply_call> call(static_cast<reply_call *>(user));
    hear(call->on_reply, raw, event, call->calls);
}

} // namespace detail

// Where a client connects to, with what, and how patient it is.
struct client_config {
    // `ws://127.0.0.1:4000/socket`.
    std::string url;
    // Query parameters and headers of the upgrade request.
    std::vector<header> params;
    std::vector<header> headers;
    // Travels as phoenix.js's `authToken`.
    std::optional<std::string> auth_token;
    // Hears of everything that happens.
    std::function<void(client_ref &, const client_event &)> on_event;
    // All else; what is above replaces its own.
    chanson_client_config more = chanson_client_config_default();
};

// A client of a channels server, whose loop turns when it is polled. It connects, and connects again, by itself.
class client : public client_commands<client> {
public:
    [[nodiscard]] static result<client> make(const client_config &from) {
        auto calls = std::make_shared<detail::client_calls>();
        calls->on_event = from.on_event;
        const auto params = detail::headers(from.params), headers = detail::headers(from.headers);
        chanson_client_config config = from.more;
        config.url = from.url.c_str();
        config.params = params.data();
        config.param_count = params.size();
        config.headers = headers.data();
        config.header_count = headers.size();
        config.auth_token = from.auth_token ? from.auth_token->c_str() : nullptr;
        config.on_event = calls->on_event ? &detail::on_client_event : nullptr;
        config.user = calls.get();
        chanson_client *raw = nullptr;
        const chanson_code code = chanson_client_new(&config, &raw);
        if (code != CHANSON_OK) return refusal{code, chanson_code_text(code)};
        return client(raw, std::move(calls));
    }

    // One turn, which waits for something to happen no longer than so long; by default not at all.
    result<void> poll(milliseconds timeout = milliseconds(0)) {
        return checked(chanson_client_poll(raw(), detail::wait_of(timeout)));
    }
    // One turn, which waits for as long as it takes.
    result<void> wait() { return checked(chanson_client_poll(raw(), -1)); }
    // In how long the next turn is due at the latest, even if nothing happens.
    [[nodiscard]] std::optional<milliseconds> poll_timeout() {
        std::uint64_t in = 0;
        if (chanson_client_poll_timeout(raw(), &in) != CHANSON_OK) return {};
        return milliseconds(static_cast<milliseconds::rep>(in));
    }
    // Becomes readable when a turn is due because something happened; -1 where there is none.
    [[nodiscard]] int fd() const noexcept { return chanson_client_fd(raw()); }
    // What a closure threw first since this was asked last: there is no join of ours to end with it.
    [[nodiscard]] std::exception_ptr thrown() noexcept {
        return calls() ? std::exchange(calls()->thrown, nullptr) : nullptr;
    }
    [[nodiscard]] chanson_client *raw() const noexcept { return raw_.get(); }

private:
    friend client_commands<client>;
    client(chanson_client *raw, std::shared_ptr<detail::client_calls> calls) noexcept : raw_(raw, std::move(calls)) {}
    [[nodiscard]] detail::client_calls *calls() const noexcept {
        return static_cast<detail::client_calls *>(raw_.kept().get());
    }
    detail::owned<chanson_client, &chanson_client_free> raw_;
};

} // namespace chanson

#endif // CHANSON_HPP
