// What HTTP handlers on an LwsLoop share: reading the request, and an answer as one piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct lws;

namespace ble {

// Only valid in LWS_CALLBACK_HTTP and, for WebSocket, LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: the headers go after it.
std::string http_method(lws *wsi);             // "GET"; empty: one that libwebsockets does not know
std::string http_path(lws *wsi);               // decoded, without the query: "/api/v1/health"
std::string http_header(lws *wsi, int token);  // WSI_TOKEN_HTTP_…; empty: absent
std::string http_header(lws *wsi, std::string_view name);  // of those that have no token: "x-api-key"
// Names and values of the query, decoded, in their order; a name without "=" has an empty value.
std::vector<std::pair<std::string, std::string>> http_arguments(lws *wsi);
std::string http_certificate(lws *wsi);  // the common name in the client's; empty: none
std::string http_peer(lws *wsi);         // the address at the other end, at any time
bool http_wants_close(lws *wsi);         // "Connection: close", or HTTP/1.0

struct HttpReply {
    int status = 200;
    std::string body;
    std::string content_type = "application/json";
    std::string headers;  // further lines, each with its CRLF
    bool close = false;   // end the connection after it
};

// {"detail":"…"} with that status.
HttpReply http_error(int status, std::string_view detail, std::string headers = {});

// Writes the whole answer; libwebsockets keeps what the socket does not take. To be called in LWS_CALLBACK_HTTP_WRITEABLE, or in
// LWS_CALLBACK_HTTP for a request without a body. Return its value from the callback.
int http_answer(lws *wsi, const HttpReply &reply);
// In two steps: the headers for a body of `length` bytes (reply.body is not looked at), which the caller writes, or leaves
// out when the method was HEAD. Negative: the connection is lost.
int http_begin_answer(lws *wsi, const HttpReply &reply, std::uint64_t length);
int http_end_answer(lws *wsi, const HttpReply &reply);

// Is `tag` among those of If-None-Match? Weak comparison (RFC 9110, 13.1.2): W/ does not count, and "*" is any.
bool has_tag(std::string_view if_none_match, std::string_view tag);
// By a client's Accept-Encoding.
bool takes_gzip(std::string_view accept_encoding);

// "100 Continue": the client that asked may send the body.
void http_continue(lws *wsi);

}  // namespace ble
