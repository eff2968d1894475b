// Server-sent events (the HTML standard, 9.2) by libcurl, as blews sends them: connects, takes events, and connects again by itself, from the event
// after the last one that came.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "transport/curl_multi.hpp"

struct curl_slist;

namespace ble {

// Bytes of a stream to events.
class EventStreamParser {
  public:
    // An event of more than `longest` bytes is left out.
    explicit EventStreamParser(std::size_t longest) : longest_(longest) {}

    // Appends the data of each event that is whole now.
    void take(std::string_view bytes, std::vector<std::string> &events);
    // The connection has ended: what was begun goes.
    void begin_anew();
    const std::string &last_id() const { return last_id_; }  // empty: none was told

  private:
    void take_line(std::vector<std::string> &events);

    static constexpr std::size_t longest_id_ = 1000;  // it goes into a header

    std::size_t longest_;
    std::string line_, data_, id_, last_id_;
    bool has_data_ = false, too_long_ = false, after_cr_ = false;
};

class EventStream {
  public:
    struct Options {
        std::string url;                   // http:// or https://
        std::optional<std::string> token;  // Authorization: Bearer
        CurlTls tls;
        std::string agent;  // User-Agent
    };
    using Clock = std::chrono::steady_clock;

    explicit EventStream(Options options);

    int fd() const { return multi_.fd(); }  // readable: call step()
    // Call step() then at the latest; empty: no timer is running.
    std::optional<Clock::time_point> due() const;
    // The events that came. Error(permission): the server wants another token. Error(protocol): there are no events at this address.
    std::vector<std::string> step();
    bool connected() const { return connected_; }
    // "connecting", "connected", "no connection: …; next try in 2 s". For people.
    const std::string &status() const { return status_; }

  private:
    struct FreeList {
        void operator()(curl_slist *list) const;
    };

    void begin();
    std::size_t take(const char *bytes, std::size_t size);
    void end(int code);
    void check_answer(long status) const;
    void look_at(int code);
    void set_status(const std::string &text);

    const Options options_;
    EventStreamParser parser_;
    std::vector<std::string> events_;
    std::unique_ptr<curl_slist, FreeList> headers_;
    CurlEasy easy_ = make_curl_easy();
    CurlMulti multi_;
    Backoff backoff_;
    std::optional<Clock::time_point> retry_;
    bool connected_ = false, looked_ = false;
    std::string status_;
};

}  // namespace ble
