/* As much JSON as the examples need: reading the fields of an object, and writing text. A program of your own has a JSON
 * library for this. What comes from the library is valid JSON already, so nothing is checked here. */
#ifndef EXAMPLE_JSON_H
#define EXAMPLE_JSON_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chanson.h"

/* Text that grows. Free `data` in the end. */
struct text {
    char *data;
    size_t len, room;
};

static inline void text_add(struct text *text, const char *data, size_t len) {
    if (text->len + len > text->room) {
        text->room = 2 * (text->len + len);
        text->data = realloc(text->data, text->room);
        if (!text->data) abort();
    }
    if (len) memcpy(text->data + text->len, data, len);
    text->len += len;
}

static inline void text_str(struct text *text, chanson_str str) { text_add(text, str.data, str.len); }

static inline void text_c(struct text *text, const char *c) { text_add(text, c, strlen(c)); }

/* As a JSON string, with its quotes. */
static inline void text_quoted(struct text *text, const char *data, size_t len) {
    text_add(text, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];
        char escaped[8];
        if (c == '"' || c == '\\' || c < 0x20)
            text_add(text, escaped, (size_t)sprintf(escaped, c < 0x20 ? "\\u%04x" : "\\%c", c));
        else
            text_add(text, data + i, 1);
    }
    text_add(text, "\"", 1);
}

static inline chanson_payload text_json(const struct text *text) {
    chanson_payload payload = {CHANSON_JSON, text->data, text->len};
    return payload;
}

/* Behind the value at `at`. */
static inline const char *json_skip(const char *at, const char *end) {
    int depth = 0;
    bool quoted = false;
    for (; at < end; at++) {
        if (quoted) {
            if (*at == '\\') at++;
            else if (*at == '"') quoted = false;
        } else if (*at == '"') quoted = true;
        else if (*at == '{' || *at == '[') depth++;
        else if (*at == '}' || *at == ']') { if (--depth < 0) return at; }
        else if (*at == ',' && depth == 0) return at;
    }
    return end;
}

static inline const char *json_space(const char *at, const char *end) {
    while (at < end && strchr(" \t\r\n", *at)) at++;
    return at;
}

/* The next field of an object: its key as it is spelled, without the quotes, and its value. `*at` begins at the object. */
static inline bool json_next(const char **at, const char *end, chanson_str *key, chanson_str *value) {
    const char *p = json_space(*at, end);
    if (p == end || (*p != '{' && *p != ',')) return false;
    p = json_space(p + 1, end);
    if (p == end || *p != '"') return false;
    key->data = ++p;
    while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
    key->len = (size_t)(p - key->data);
    p = json_space(p + 1, end) + 1; /* the colon */
    p = json_space(p, end);
    value->data = p;
    p = json_skip(p, end);
    *at = p;
    while (p > value->data && strchr(" \t\r\n", p[-1])) p--;
    value->len = (size_t)(p - value->data);
    return true;
}

static inline bool str_is(chanson_str str, const char *text) {
    return str.len == strlen(text) && memcmp(str.data, text, str.len) == 0;
}

/* A field of the object that the payload is: its last one of that name, as JSON; empty when there is none. */
static inline chanson_str json_field(chanson_payload payload, const char *name) {
    chanson_str found = {"", 0}, key, value;
    if (payload.kind != CHANSON_JSON) return found;
    const char *at = payload.data, *end = at + payload.len;
    while (json_next(&at, end, &key, &value))
        if (str_is(key, name)) found = value;
    return found;
}

static inline unsigned json_hex(const char *at) {
    char digits[5] = {at[0], at[1], at[2], at[3], 0};
    return (unsigned)strtoul(digits, NULL, 16);
}

/* The text of a JSON string, in memory that the caller frees; NULL when the value is no string. */
static inline char *json_string(chanson_str json, size_t *len) {
    if (json.len < 2 || json.data[0] != '"') return NULL;
    char *text = malloc(json.len), *out = text;
    if (!text) abort();
    for (const char *at = json.data + 1; at < json.data + json.len - 1; at++) {
        const char *plain = "\"\\/bfnrt", *escape = "\"\\/\b\f\n\r\t", *found;
        if (*at != '\\') *out++ = *at;
        else if (*++at != 'u') *out++ = (found = strchr(plain, *at)) ? escape[found - plain] : *at;
        else {
            unsigned c = json_hex(at + 1);
            at += 4;
            if (c >= 0xD800 && c < 0xDC00 && at[1] == '\\' && at[2] == 'u') {
                c = 0x10000 + ((c - 0xD800) << 10) + (json_hex(at + 3) - 0xDC00);
                at += 6;
            }
            if (c < 0x80) *out++ = (char)c;
            else if (c < 0x800) { *out++ = (char)(0xC0 | c >> 6); *out++ = (char)(0x80 | (c & 63)); }
            else if (c < 0x10000) {
                *out++ = (char)(0xE0 | c >> 12);
                *out++ = (char)(0x80 | (c >> 6 & 63));
                *out++ = (char)(0x80 | (c & 63));
            } else {
                *out++ = (char)(0xF0 | c >> 18);
                *out++ = (char)(0x80 | (c >> 12 & 63));
                *out++ = (char)(0x80 | (c >> 6 & 63));
                *out++ = (char)(0x80 | (c & 63));
            }
        }
    }
    *len = (size_t)(out - text);
    return text;
}

#endif
