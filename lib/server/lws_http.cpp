#include "server/lws_http.hpp"

#include <libwebsockets.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/trimmed.hpp"
#include "batch/http_reply.hpp"
#include "server/lws_loop.hpp"
#include "server/server_tls.hpp"

namespace ble {
namespace {

struct Method {
    const char *name;
    lws_token_indexes token;
};
constexpr Method methods[] = {{"GET", WSI_TOKEN_GET_URI},       {"POST", WSI_TOKEN_POST_URI},
                              {"HEAD", WSI_TOKEN_HEAD_URI},     {"OPTIONS", WSI_TOKEN_OPTIONS_URI},
                              {"PUT", WSI_TOKEN_PUT_URI},       {"PATCH", WSI_TOKEN_PATCH_URI},
                              {"DELETE", WSI_TOKEN_DELETE_URI}, {"CONNECT", WSI_TOKEN_CONNECT}};

const Method *find_method(lws *wsi) {
    const auto *found = std::find_if(std::begin(methods), std::end(methods),
                                     [&](const Method &m) { return lws_hdr_total_length(wsi, m.token) > 0; });
    return found != std::end(methods) ? found : nullptr;
}

const char *status_text(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 204:
            return "No Content";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 414:
            return "URI Too Long";
        case 417:
            return "Expectation Failed";
        case 422:
            return "Unprocessable Content";
        case 426:
            return "Upgrade Required";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        default:
            return status < 500 ? "Error" : "Server Error";
    }
}

std::string head(const HttpReply &reply, std::uint64_t length) {
    std::string text = "HTTP/1.1 " + std::to_string(reply.status) + " " + status_text(reply.status) + "\r\n";
    if (length > 0) text += "content-type: " + reply.content_type + "\r\n";
    // That of a 304 would be the length of what the client keeps (RFC 9110, 8.6).
    if (reply.status != 304) text += "content-length: " + std::to_string(length) + "\r\n";
    text += reply.headers;
    if (reply.close) text += "connection: close\r\n";
    return text + "\r\n";
}

int write_text(lws *wsi, const std::string &text) {
    std::string room(LWS_PRE, '\0');
    room += text;
    return lws_write(wsi, reinterpret_cast<unsigned char *>(room.data()) + LWS_PRE, text.size(),
                     LWS_WRITE_HTTP_HEADERS);
}

}  // namespace

std::string http_method(lws *wsi) {
    const Method *method = find_method(wsi);
    return method != nullptr ? method->name : "";
}

std::string http_path(lws *wsi) {
    const Method *method = find_method(wsi);
    return method != nullptr ? http_header(wsi, method->token) : "";
}

std::string http_header(lws *wsi, int token) {
    const auto index = static_cast<lws_token_indexes>(token);
    const int length = lws_hdr_total_length(wsi, index);
    if (length <= 0) return "";
    std::string text(static_cast<std::size_t>(length) + 1, '\0');
    const int copied = lws_hdr_copy(wsi, text.data(), length + 1, index);
    text.resize(copied > 0 ? static_cast<std::size_t>(copied) : 0);
    return text;
}

std::string http_header(lws *wsi, std::string_view name) {
    const std::string key = std::string(name) + ":";
    const int key_length = static_cast<int>(key.size());
    const int length = lws_hdr_custom_length(wsi, key.c_str(), key_length);
    if (length <= 0) return "";
    std::string text(static_cast<std::size_t>(length) + 1, '\0');
    const int copied = lws_hdr_custom_copy(wsi, text.data(), length + 1, key.c_str(), key_length);
    text.resize(copied > 0 ? static_cast<std::size_t>(copied) : 0);
    return text;
}

std::vector<std::pair<std::string, std::string>> http_arguments(lws *wsi) {
    std::vector<std::pair<std::string, std::string>> arguments;
    const int all = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS);
    std::vector<char> text(static_cast<std::size_t>(std::max(all, 0)) + 2);
    for (int i = 0; all > 0; ++i) {
        const int length = lws_hdr_copy_fragment(wsi, text.data(), static_cast<int>(text.size()),
                                                 WSI_TOKEN_HTTP_URI_ARGS, i);
        if (length < 0) break;
        const std::string_view pair(text.data(), static_cast<std::size_t>(length));
        if (pair.empty() || pair == "/")
            continue;  // "/" is what libwebsockets has for a "?" with nothing behind it
        const std::string_view name = pair.substr(0, pair.find('='));
        arguments.emplace_back(name, pair.substr(std::min(pair.size(), name.size() + 1)));
    }
    return arguments;
}

std::string http_certificate(lws *wsi) {
    SSL *connection = lws_get_ssl(wsi);
    return connection != nullptr ? client_certificate_name(connection) : "";
}

std::string http_peer(lws *wsi) {
    std::array<char, 64> address{};
    return lws_get_peer_simple(wsi, address.data(), address.size());
}

bool http_wants_close(lws *wsi) {
    std::string connection = http_header(wsi, WSI_TOKEN_CONNECTION);
    std::transform(connection.begin(), connection.end(), connection.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return connection.find("close") != std::string::npos || http_header(wsi, WSI_TOKEN_HTTP) == "HTTP/1.0";
}

HttpReply http_error(int status, std::string_view detail, std::string headers) {
    HttpReply reply;
    reply.status = status;
    reply.body = error_body(detail);
    reply.headers = std::move(headers);
    return reply;
}

int http_answer(lws *wsi, const HttpReply &reply) {
    if (write_text(wsi, head(reply, reply.body.size()) + reply.body) < 0) return -1;
    return http_end_answer(wsi, reply);
}

int http_begin_answer(lws *wsi, const HttpReply &reply, std::uint64_t length) {
    return write_text(wsi, head(reply, length));
}

int http_end_answer(lws *wsi, const HttpReply &reply) {
    LwsLoop::answered(wsi);
    return reply.close || lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}

namespace {

// The next of a list, which is taken off it.
std::string_view next_of(std::string_view &list, char between) {
    const auto word = list.substr(0, list.find(between));
    list.remove_prefix(std::min(list.size(), word.size() + 1));
    return trimmed(word);
}

std::string_view strong(std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
}

}  // namespace

bool has_tag(std::string_view if_none_match, std::string_view tag) {
    while (!if_none_match.empty()) {
        const auto one = next_of(if_none_match, ',');
        if (one == "*" || strong(one) == strong(tag)) return true;
    }
    return false;
}

bool takes_gzip(std::string_view accept_encoding) {
    while (!accept_encoding.empty()) {
        auto one = next_of(accept_encoding, ',');
        if (next_of(one, ';') != "gzip") continue;
        const auto weight = trimmed(one);
        return !weight.starts_with("q=0") || weight.find_first_of("123456789") != weight.npos;
    }
    return false;
}

void http_continue(lws *wsi) {
    write_text(wsi, "HTTP/1.1 100 Continue\r\n\r\n");
}

}  // namespace ble
