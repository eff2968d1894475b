// GET /metrics, for Prometheus, on a separate port (--metrics-listen): a scraper needs no key, and clients of
// the tool's other port cannot read it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "server/access.hpp"
#include "server/gate.hpp"
#include "server/lws_loop.hpp"
#include "server/refusals.hpp"

namespace ble {

class CommandLine;

void declare_metrics_address(std::string &address, CommandLine &line);
// "127.0.0.1:8001", "[::1]:8001", "localhost:0"; empty: there is no such port. Else Error(usage), of the environment (config).
void check_metrics_address(const std::string &address, const CommandLine &line);

class MetricsSite {
  public:
    struct Options {
        std::string address;               // that check_metrics_address() has passed
        std::vector<std::string> origins;  // as for Access
        double rate = 0;                   // requests a second of each address; 0: any number
        std::chrono::seconds header_timeout{10};
    };
    // `text`: what there is to tell, asked at each request.
    MetricsSite(const Options &options, std::function<std::string()> text);
    MetricsSite(const MetricsSite &) = delete;
    MetricsSite &operator=(const MetricsSite &) = delete;

    // Once, after loop.listen(), and says so in the log. Errors as from there. Must outlive the loop.
    void listen(LwsLoop &loop);

  private:
    int on_event(lws *wsi, int reason, const void *in);
    int answer(lws *wsi);
    HttpReply judge(lws *wsi) const;

    LwsLoop::Config config_;
    const Access access_;
    Refusals refusals_;
    Gate gate_;
    std::function<std::string()> text_;
};

}  // namespace ble
