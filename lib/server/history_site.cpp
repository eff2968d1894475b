#include "server/history_site.hpp"

#include <libwebsockets.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/gzip.hpp"

namespace ble {
namespace {

constexpr std::size_t worth_packing = 1000;  // bytes
constexpr int patience_s = 60;               // longer than any question takes

History::Arguments arguments_of(lws *wsi) {
    History::Arguments arguments;
    const int all = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS);
    std::vector<char> text(static_cast<std::size_t>(std::max(all, 0)) + 2);
    for (int i = 0;; ++i) {
        const int length = lws_hdr_copy_fragment(wsi, text.data(), static_cast<int>(text.size()),
                                                 WSI_TOKEN_HTTP_URI_ARGS, i);
        if (length < 0 || all <= 0) return arguments;
        const std::string_view pair(text.data(), static_cast<std::size_t>(length));
        const std::string_view name = pair.substr(0, pair.find('='));
        if (pair.empty() || pair == "/")
            continue;  // "/" is what libwebsockets has for a "?" with nothing behind it
        arguments.emplace_back(name, pair.substr(std::min(pair.size(), name.size() + 1)));
    }
}

}  // namespace

int HistorySite::begin(lws *wsi, std::string_view path, bool close, bool head_only) {
    auto question = History::question_of(path.substr(root.size()), arguments_of(wsi));
    if (auto *refused = std::get_if<HttpReply>(&question)) {
        refused->close = close;
        return send_(wsi, std::move(*refused), head_only);
    }
    Open &open = open_[wsi];
    open.known_tag = http_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH);
    open.takes_gzip = http_header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING).find("gzip") != std::string::npos;
    open.close = close;
    open.head_only = head_only;
    hangups_.add(wsi);
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, patience_s);
    open.ticket = history_.ask(std::get<std::string>(question), [this, wsi](auto answer) {
        open_.at(wsi).answer = std::move(answer);
        lws_callback_on_writable(wsi);
    });
    return 0;
}

std::optional<int> HistorySite::go_on(lws *wsi) {
    const auto found = open_.find(wsi);
    if (found == open_.end()) return std::nullopt;
    if (!found->second.answer) return 0;
    const Open open = std::move(found->second);
    open_.erase(found);
    hangups_.remove(wsi);
    return answer(wsi, open);
}

int HistorySite::answer(lws *wsi, const Open &open) {
    HttpReply reply;
    reply.status = open.answer->status;
    reply.close = open.close;
    reply.headers = "cache-control: no-cache\r\nvary: accept-encoding\r\n";
    if (!open.answer->tag.empty()) {
        reply.headers += "etag: " + open.answer->tag + "\r\n";
        if (open.known_tag == open.answer->tag) {
            reply.status = 304;
            return send_(wsi, std::move(reply), true);
        }
    }
    const bool packed = open.takes_gzip && open.answer->body.size() > worth_packing;
    if (packed) reply.headers += "content-encoding: gzip\r\n";
    reply.body = packed ? gzip(open.answer->body) : open.answer->body;
    return send_(wsi, std::move(reply), open.head_only);
}

void HistorySite::forget(lws *wsi) {
    const auto found = open_.find(wsi);
    if (found == open_.end()) return;
    history_.forget(found->second.ticket);
    open_.erase(found);
}

}  // namespace ble
