#include "server/metrics_site.hpp"

#include <libwebsockets.h>
#include <strings.h>

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "base/command_line.hpp"
#include "base/exposition.hpp"
#include "base/host.hpp"
#include "base/log.hpp"
#include "server/lws_http.hpp"

namespace ble {
namespace {

constexpr char option[] = "--metrics-listen";
// A scraper or two, and people with a browser.
constexpr std::size_t most_clients = 32, most_of_one_address = 16;

struct Address {
    std::string bind;
    std::uint16_t port = 0;
};

std::optional<Address> parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const std::string_view number = text.substr(colon + 1);
    const bool brackets = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (brackets) host = host.substr(1, host.size() - 2);
    if (!brackets && host.find_first_of("[]:") != std::string_view::npos) return std::nullopt;
    Address address{std::string(host), 0};
    const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), address.port);
    if (error != std::errc() || rest != number.data() + number.size()) return std::nullopt;
    return address;
}

LwsLoop::Config config_of(const MetricsSite::Options &options) {
    const Address address = parse(options.address).value_or(Address());
    LwsLoop::Config config;
    config.bind = address.bind;
    config.port = address.port;
    config.option = option;
    config.max_clients = most_clients;
    config.max_per_address = most_of_one_address;
    config.header_timeout = config.body_timeout = options.header_timeout;
    return config;
}

}  // namespace

void declare_metrics_address(std::string &address, CommandLine &line) {
    line.text(std::string(option) + " ADDRESS:PORT", address,
              "serve the counters at http://ADDRESS:PORT/metrics, for Prometheus; port 0: any free port");
}

void check_metrics_address(const std::string &address, const CommandLine &line) {
    if (address.empty() || parse(address)) return;
    throw Error(
        line.on_command_line(option) ? ExitCode::usage : ExitCode::config,
        std::string(option) + " '" + printable(address) +
            "': an address and a port are expected, as in 127.0.0.1:8001 or [::1]:8001; for all addresses "
            "0.0.0.0:8001 or [::]:8001");
}

MetricsSite::MetricsSite(const Options &options, std::function<std::string()> text)
    : config_(config_of(options)),
      access_({}, options.origins, is_own_machine(config_.bind), false),
      gate_(access_, {}, refusals_, options.rate),
      text_(std::move(text)) {}

void MetricsSite::listen(LwsLoop &loop) {
    const std::string url = loop.listen_too(
        config_,
        [this](lws *wsi, int reason, void *, void *in, std::size_t) { return on_event(wsi, reason, in); });
    log_info("metrics at " + url + "/metrics" +
             (is_own_machine(config_.bind) ? "" : ", for everybody who can reach it"));
}

int MetricsSite::on_event(lws *wsi, int reason, const void *in) {
    if (reason == LWS_CALLBACK_HTTP) return answer(wsi);
    if (reason == LWS_CALLBACK_HTTP_BODY || reason == LWS_CALLBACK_HTTP_BODY_COMPLETION) return -1;
    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE &&
        strcasecmp(static_cast<const char *>(in), "websocket") == 0)
        return answer(wsi);
    return 0;
}

int MetricsSite::answer(lws *wsi) {
    const std::string method = http_method(wsi);
    HttpReply reply;
    if (auto foreign = gate_.foreign(wsi))
        reply = std::move(*foreign);
    else if (auto often = gate_.too_often(wsi))
        reply = std::move(*often);
    else
        reply = judge(wsi);
    // What is asked for otherwise may have a body, or be a WebSocket: it is not read.
    const bool plain = (method == "GET" || method == "HEAD") && http_header(wsi, WSI_TOKEN_UPGRADE).empty() &&
                       http_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH).empty() &&
                       http_header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING).empty();
    reply.close = !plain || reply.status == 403 || http_wants_close(wsi);
    if (method != "HEAD") return http_answer(wsi, reply);
    if (http_begin_answer(wsi, reply, reply.body.size()) < 0) return -1;
    return http_end_answer(wsi, reply);
}

HttpReply MetricsSite::judge(lws *wsi) const {
    const std::string method = http_method(wsi);
    if (http_path(wsi) != "/metrics")
        return http_error(404, "there is nothing here; the counters are at GET /metrics");
    if (method != "GET" && method != "HEAD")
        return http_error(405, "only GET /metrics is possible", "allow: GET, HEAD\r\n");
    HttpReply reply;
    reply.body = text_();
    reply.content_type = Exposition::content_type;
    return reply;
}

}  // namespace ble
