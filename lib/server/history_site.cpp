#include "server/history_site.hpp"

#include <libwebsockets.h>

#include <algorithm>
#include <array>
#include <utility>

namespace ble {
namespace {

constexpr int patience_s = 60;  // longer than Workers lets any question wait and work; then for each piece
constexpr std::size_t piece = 32768;

}  // namespace

int HistorySite::begin(lws *wsi, std::string_view path, bool close, bool head_only) {
    auto question = History::question_of(path.substr(root.size()), http_arguments(wsi));
    if (auto *refused = std::get_if<HttpReply>(&question)) {
        refused->close = close;
        refused->headers += headers_;
        if (!head_only) return http_answer(wsi, *refused);
        return http_begin_answer(wsi, *refused, refused->body.size()) < 0 ? -1
                                                                          : http_end_answer(wsi, *refused);
    }
    Open &open = open_[wsi];
    open.known_tags = http_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    open.takes_gzip = takes_gzip(http_header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING));
    open.reply.close = close;
    open.head_only = head_only;
    hangups_.add(wsi);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, patience_s);
    open.ticket = history_.ask(std::get<std::string>(question), [this, wsi](auto answer) {
        open_.at(wsi).answer = std::move(answer);
        lws_callback_on_writable(wsi);
    });
    return 0;
}

// The head, and then a piece each time the socket takes one: of the one copy that all who ask the same share.
std::optional<int> HistorySite::go_on(lws *wsi) {
    const auto found = open_.find(wsi);
    if (found == open_.end()) return std::nullopt;
    Open &open = found->second;
    if (!open.answer) return 0;
    if (open.text == nullptr) return begin_answer(wsi, open);
    static std::array<unsigned char, LWS_PRE + piece> buffer;
    const auto length = std::min(piece, open.text->size() - open.sent);
    std::copy_n(open.text->data() + open.sent, length, buffer.data() + LWS_PRE);
    if (lws_write(wsi, buffer.data() + LWS_PRE, length, LWS_WRITE_HTTP) < 0) return -1;
    open.sent += length;
    if (open.sent == open.text->size()) return end(wsi);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, patience_s);
    lws_callback_on_writable(wsi);
    return 0;
}

int HistorySite::begin_answer(lws *wsi, Open &open) {
    const auto &answer = *open.answer;
    HttpReply &reply = open.reply;
    reply.status = answer.status;
    reply.headers = headers_ + "cache-control: no-cache\r\nvary: accept-encoding\r\n";
    if (!answer.tag.empty()) reply.headers += "etag: " + answer.tag + "\r\n";
    const bool known = !answer.tag.empty() && has_tag(open.known_tags, answer.tag);
    const bool packed = open.takes_gzip && !answer.packed.empty();
    if (known) reply.status = 304;
    if (packed && !known) reply.headers += "content-encoding: gzip\r\n";
    open.text = packed ? &answer.packed : &answer.body;
    if (http_begin_answer(wsi, reply, known ? 0 : open.text->size()) < 0) return -1;
    if (known || open.head_only || open.text->empty()) return end(wsi);
    lws_callback_on_writable(wsi);
    return 0;
}

int HistorySite::end(lws *wsi) {
    const HttpReply reply = std::move(open_.at(wsi).reply);
    open_.erase(wsi);
    hangups_.remove(wsi);
    return http_end_answer(wsi, reply);
}

void HistorySite::forget(lws *wsi) {
    const auto found = open_.find(wsi);
    if (found == open_.end()) return;
    history_.forget(found->second.ticket);
    open_.erase(found);
}

}  // namespace ble
