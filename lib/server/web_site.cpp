#include "server/web_site.hpp"

#include <libwebsockets.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/hex_text.hpp"
#include "base/log.hpp"

namespace ble {

namespace {

constexpr std::size_t max_login = 4096;
constexpr std::size_t file_piece = 32768;
constexpr int file_timeout_s = 60;  // without a piece taken

constexpr std::string_view common_headers =
    "x-content-type-options: nosniff\r\n"
    "content-security-policy: frame-ancestors 'self'\r\n"
    "referrer-policy: same-origin\r\n";

constexpr std::string_view login_page = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>blepipe: log in</title><link rel="icon" href="data:,">
<style>body{font:16px system-ui,sans-serif;max-width:24em;margin:20vh auto;padding:0 1em;color-scheme:light dark}
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.5em;margin:.4em 0}</style></head>
<body><h1>blepipe</h1><form method="post" action="login">
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Log in</button></form><p>@</p></body></html>
)";

HttpReply login_form(int status, std::string_view remark) {
    HttpReply reply;
    reply.status = status;
    reply.content_type = "text/html; charset=utf-8";
    reply.headers = "cache-control: no-store\r\n";
    reply.body = login_page;
    reply.body.replace(reply.body.find('@'), 1, remark);
    return reply;
}

bool shows_token(lws *wsi) {
    return Access::shows_token(http_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION));
}

// The value of `name` in application/x-www-form-urlencoded text; empty: absent.
std::string form_value(std::string_view form, std::string_view name) {
    while (!form.empty()) {
        const std::string_view pair = form.substr(0, form.find('&'));
        form.remove_prefix(std::min(form.size(), pair.size() + 1));
        if (pair.substr(0, pair.find('=')) != name || pair.size() <= name.size()) continue;
        std::string value;
        for (std::size_t i = name.size() + 1; i < pair.size(); i++) {
            const bool escape = pair[i] == '%' && i + 2 < pair.size();
            const int high = escape ? hex_digit(pair[i + 1]) : -1, low = escape ? hex_digit(pair[i + 2]) : -1;
            if (high >= 0 && low >= 0) i += 2;
            value += high >= 0 && low >= 0 ? static_cast<char>(high * 16 + low)
                     : pair[i] == '+'      ? ' '
                                           : pair[i];
        }
        return value;
    }
    return {};
}

// All addresses that we give are relative: a proxy may serve us under a path that only it knows.
HttpReply redirect(const std::string &where) {
    HttpReply reply;
    reply.status = 303;
    reply.headers = "location: " + where + "\r\ncache-control: no-store\r\n";
    return reply;
}

// From a page to the one beside the first page: "login" from "/", "../login" from "/sub/page".
std::string beside_root(std::string_view path, const std::string &name) {
    std::string up;
    for (auto slashes = std::count(path.begin(), path.end(), '/'); slashes > 1; slashes--) up += "../";
    return up + name;
}

}  // namespace

WebSite::WebSite(LwsLoop &loop, const Access &access, Options options, HangupWatch &hangups,
                 Refusals &refusals, BriefState &state, std::function<std::string()> health)
    : loop_(loop),
      access_(access),
      options_(std::move(options)),
      gate_(access, options_.proxies, refusals, options_.rate),
      hangups_(hangups),
      refusals_(refusals),
      state_(state),
      health_(std::move(health)) {
    if (options_.history != nullptr)
        history_.emplace(*options_.history, hangups_, std::string(common_headers));
}

void WebSite::forget(lws *wsi) {
    open_.erase(wsi);
    if (history_) history_->forget(wsi);
}

// A wrong token is a guess, and no token is none; after it the connection ends, so that the next guess needs another one.
HttpReply WebSite::unauthorized(lws *wsi) {
    HttpReply reply = gate_.unauthorized(wsi);
    if (shows_token(wsi)) {
        loop_.note_guess(wsi, gate_.client(wsi));
        reply.close = true;
    }
    return reply;
}

// Why one is not let in who may ask. A browser that has logged in shows no token, and is never slowed.
std::optional<HttpReply> WebSite::stranger(lws *wsi) {
    const bool shown = shows_token(wsi);
    if (const std::string client = gate_.client(wsi);
        access_.needs_token() && shown && loop_.guesses_too_often(wsi, client))
        return gate_.guesses(client);
    if (!gate_.authorized(wsi)) return unauthorized(wsi);
    return std::nullopt;
}

std::optional<HttpReply> WebSite::refusal(lws *wsi) {
    if (auto reply = gate_.too_often(wsi)) return reply;
    if (auto reply = gate_.foreign(wsi)) return reply;
    return stranger(wsi);
}

int WebSite::answer(lws *wsi, HttpReply reply, bool head_only) const {
    reply.headers += common_headers;
    if (!head_only) return http_answer(wsi, reply);
    if (http_begin_answer(wsi, reply, reply.body.size()) < 0) return -1;
    return http_end_answer(wsi, reply);
}

// Proxies take the headers of an upgrade off, and leave the others of a WebSocket.
HttpReply WebSite::no_upgrade(lws *wsi) const {
    if (!http_header(wsi, WSI_TOKEN_KEY).empty())
        refusals_.note(Refusals::Kind::handshake,
                       "refusing (426) a WebSocket that came without its header Upgrade; nginx needs "
                       "'proxy_http_version 1.1', 'proxy_set_header Upgrade $http_upgrade' and "
                       "'proxy_set_header Connection upgrade' for it");
    return http_error(426, "this is a WebSocket", "upgrade: websocket\r\n");
}

int WebSite::begin(lws *wsi) {
    forget(wsi);
    const std::string method = http_method(wsi), path = this->path(wsi);
    const bool head_only = method == "HEAD";
    HttpReply reply;
    // A body that nobody reads would be taken for the next request.
    reply.close = http_wants_close(wsi) || !http_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH).empty() ||
                  !http_header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING).empty();
    const auto refuse = [&](HttpReply refused) {
        refused.close = refused.close || reply.close;
        return answer(wsi, std::move(refused), head_only);
    };
    if (path != "/health") {
        if (auto refused = gate_.too_often(wsi)) return refuse(std::move(*refused));
        if (auto refused = gate_.foreign(wsi)) return refuse(std::move(*refused));
        if (path == "/login" && access_.needs_token()) return begin_login(wsi, method, std::move(reply));
    }
    if (method != "GET" && !head_only)
        return refuse(http_error(405, "only GET and HEAD", "allow: GET, HEAD\r\n"));
    if (path.empty()) return refuse(redirect(options_.prefix.last_part()));
    if (path == "/health") {
        reply.body = health_();
        reply.headers = "cache-control: no-store\r\n";
        return answer(wsi, std::move(reply), head_only);
    }
    const bool browser =
        http_header(wsi, WSI_TOKEN_HTTP_ACCEPT).find("text/html") != std::string::npos && !shows_token(wsi);
    if (browser && !gate_.authorized(wsi)) return refuse(redirect(beside_root(path, "login")));
    if (auto refused = stranger(wsi)) return refuse(std::move(*refused));
    if (path == "/login") return refuse(redirect("./"));
    if (path == "/ws") return refuse(no_upgrade(wsi));
    if (path == "/state") return send_state(wsi, std::move(reply), head_only);
    if (path.starts_with(HistorySite::root))
        return history_ ? history_->begin(wsi, path, reply.close, head_only)
                        : refuse(http_error(404, "blews was started without --db, so it has no history"));
    return begin_file(wsi, path, std::move(reply), head_only);
}

std::optional<StaticFile> WebSite::find_file(const std::string &path) const {
    auto file = options_.folder ? options_.folder->open(path) : std::nullopt;
    return !file && options_.charts && path == chart_library ? options_.charts->open(path) : std::move(file);
}

int WebSite::begin_file(lws *wsi, const std::string &path, HttpReply reply, bool head_only) {
    auto file = find_file(path);
    if (!file) {
        HttpReply none = http_error(
            404, options_.folder || path != "/"
                     ? "there is no such page"
                     : "no page is installed: name a folder with --www; the events are at /ws and /events");
        none.close = reply.close;
        return answer(wsi, std::move(none), head_only);
    }
    auto packed =
        takes_gzip(http_header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING)) ? packed_.of(path, *file) : nullptr;
    if (packed) file->tag.insert(file->tag.size() - 1, "-gzip");
    reply.content_type = file->type;
    reply.headers = "etag: " + file->tag + "\r\ncache-control: no-cache\r\nvary: accept-encoding\r\n";
    if (has_tag(http_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH), file->tag)) {
        reply.status = 304;
        return answer(wsi, std::move(reply), true);
    }
    if (packed) reply.headers += "content-encoding: gzip\r\n";
    Open open;
    open.reply = std::move(reply);
    open.size = packed ? packed->size() : file->size;
    open.file = std::move(file);
    open.text = std::move(packed);
    return send(wsi, std::move(open), head_only);
}

int WebSite::send_state(lws *wsi, HttpReply reply, bool head_only) {
    const auto state = state_.text(has_history());
    const bool packed = takes_gzip(http_header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING));
    reply.content_type = "application/x-ndjson";
    reply.headers = "cache-control: no-store\r\nvary: accept-encoding\r\n";
    if (packed) reply.headers += "content-encoding: gzip\r\n";
    Open open;
    open.reply = std::move(reply);
    open.text = packed ? state.packed : state.plain;
    open.size = open.text->size();
    return send(wsi, std::move(open), head_only);
}

int WebSite::begin_login(lws *wsi, const std::string &method, HttpReply reply) {
    if (method == "GET" || method == "HEAD") {
        HttpReply form = login_form(200, "");
        form.close = reply.close;
        return answer(wsi, std::move(form), method == "HEAD");
    }
    reply.close = true;
    const std::string length = http_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (method != "POST") {
        reply = http_error(405, "only GET and POST", "allow: GET, HEAD, POST\r\n");
    } else if (length.empty() || length == "0" ||
               !http_header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING).empty()) {
        reply = http_error(411, "the form's content is missing");
    } else if (length.find_first_not_of("0123456789") != std::string::npos) {
        reply = http_error(400, "the Content-Length is no number");
    } else if (length.size() > 4 || std::stoul(length) > max_login) {
        reply = http_error(413, "that is not a token");
    } else {
        Open &open = open_[wsi];
        open.reply.close = http_wants_close(wsi);
        open.client = gate_.client(wsi);
        open.proxied_tls = !access_.tls() && gate_.proxied_tls(wsi);
        return 0;
    }
    reply.close = true;
    return answer(wsi, std::move(reply));
}

int WebSite::take_body(lws *wsi, std::string_view piece) {
    const auto found = open_.find(wsi);
    if (found == open_.end()) return 0;
    found->second.body += piece;
    return found->second.body.size() > max_login ? -1 : 0;
}

int WebSite::finish_body(lws *wsi) {
    const auto found = open_.find(wsi);
    if (found == open_.end()) return 0;
    const std::string client = found->second.client;
    if (loop_.guesses_too_often(wsi, client)) {
        HttpReply late = gate_.guesses(client);
        HttpReply form =
            login_form(429, "Too many wrong tokens have come from your address: try again in ten seconds.");
        form.headers += late.headers;
        form.close = true;
        open_.erase(found);
        return answer(wsi, std::move(form));
    }
    const bool right = access_.token_matches(form_value(found->second.body, "token"));
    HttpReply reply = right ? redirect("./") : login_form(401, "That token is not the right one.");
    reply.close = found->second.reply.close || !right;
    if (right) {
        reply.headers += "set-cookie: " + access_.set_cookie(found->second.proxied_tls) + "\r\n";
    } else {
        loop_.note_guess(wsi, client);
        refusals_.note(Refusals::Kind::token, "refusing (401) a login with a wrong token from " + client);
    }
    open_.erase(found);
    return answer(wsi, std::move(reply));
}

int WebSite::send(lws *wsi, Open open, bool head_only) {
    open.reply.headers += common_headers;
    if (http_begin_answer(wsi, open.reply, open.size) < 0) return -1;
    if (head_only || open.size == 0) return http_end_answer(wsi, open.reply);
    open_[wsi] = std::move(open);
    hangups_.add(wsi);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, file_timeout_s);
    lws_callback_on_writable(wsi);
    return 0;
}

int WebSite::go_on(lws *wsi) {
    if (history_)
        if (const auto done = history_->go_on(wsi)) return *done;
    const auto found = open_.find(wsi);
    if (found == open_.end() || found->second.size == 0) return 0;
    Open &open = found->second;
    static std::array<unsigned char, LWS_PRE + file_piece> buffer;
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(file_piece, open.size - open.sent));
    const ssize_t got =
        open.text
            ? static_cast<ssize_t>(open.text->copy(reinterpret_cast<char *>(buffer.data() + LWS_PRE), wanted,
                                                   static_cast<std::size_t>(open.sent)))
            : pread(open.file->fd.get(), buffer.data() + LWS_PRE, wanted, static_cast<off_t>(open.sent));
    if (got <= 0) return -1;  // it became shorter: the promise of its length cannot be kept
    open.sent += static_cast<std::uint64_t>(got);
    if (lws_write(wsi, buffer.data() + LWS_PRE, static_cast<std::size_t>(got), LWS_WRITE_HTTP) < 0) return -1;
    if (open.sent < open.size) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, file_timeout_s);
        lws_callback_on_writable(wsi);
        return 0;
    }
    const HttpReply reply = std::move(open.reply);
    open_.erase(found);
    hangups_.remove(wsi);
    return http_end_answer(wsi, reply);
}

}  // namespace ble
