// GET /api/v1/…: what is stored, as JSON. A part of WebSite, for its connections.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/hangup_watch.hpp"
#include "server/history.hpp"
#include "server/lws_http.hpp"

namespace ble {

class HistorySite {
  public:
    static constexpr std::string_view root = "/api/v1/";
    // `headers`: those that every answer has. What is borrowed outlives it.
    HistorySite(History &history, HangupWatch &hangups, std::string headers)
        : history_(history), hangups_(hangups), headers_(std::move(headers)) {}

    // For LWS_CALLBACK_HTTP, with a path below `root`. Returns its value. `close`: end the connection after it.
    int begin(lws *wsi, std::string_view path, bool close, bool head_only);
    // For LWS_CALLBACK_HTTP_WRITEABLE. Empty: the connection has no question.
    std::optional<int> go_on(lws *wsi);
    void forget(lws *wsi);

  private:
    struct Open {
        History::Ticket ticket = 0;
        std::shared_ptr<const History::Answer> answer;  // null: on its way
        HttpReply reply;                                // its head
        std::string known_tags;                         // of what the client has
        const std::string *text = nullptr;              // that is being sent: of `answer`
        std::size_t sent = 0;
        bool head_only = false, takes_gzip = false;
    };
    int begin_answer(lws *wsi, Open &open);
    int end(lws *wsi);

    History &history_;
    HangupWatch &hangups_;
    const std::string headers_;
    std::unordered_map<lws *, Open> open_;
};

}  // namespace ble
