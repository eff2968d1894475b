#include "server/http_receiver.hpp"

#include <libwebsockets.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "base/duration.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "batch/http_reply.hpp"
#include "batch/sender.hpp"

namespace ble {
namespace {

constexpr std::string_view bulk_path = "/api/v1/detections/bulk", health_path = "/health";
constexpr std::chrono::milliseconds tick_interval(250);
// A refused body up to this long is read and thrown away: a client that is still sending does not look for an answer.
constexpr std::size_t longest_skipped = 16u << 20;
constexpr const char *retry_after = "retry-after: 2\r\n";

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string media_type(lws *wsi) {
    std::string type = lower(http_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE));
    type.resize(std::min(type.find(';'), type.size()));
    type.resize(type.find_last_not_of(" \t") + 1);
    return type;
}

}  // namespace

HttpReceiver::HttpReceiver(LwsLoop &loop, Doorkeeper &door, CountingWriter &writer, Counters &counters,
                           const Options &options, std::function<void()> changed)
    : loop_(loop),
      door_(door),
      writer_(writer),
      counters_(counters),
      options_(options),
      changed_(std::move(changed)),
      pump_timer_(loop.timer([this] { pump(); })),
      write_timer_(loop.timer([this] { pump(); })),
      tick_timer_(loop.timer([this] { tick(); })) {
    loop_.watch(writer_.event_fd(), [this] { pump(); });
}

LwsLoop::Protocol HttpReceiver::protocol() {
    return {"http", 0, 0, [this](lws *wsi, int reason, void *, void *in, std::size_t length) {
                return on_event(wsi, reason, in, length);
            }};
}

int HttpReceiver::on_event(lws *wsi, int reason, void *in, std::size_t length) {
    switch (reason) {
        case LWS_CALLBACK_HTTP:
            return begin(wsi);
        case LWS_CALLBACK_HTTP_BODY:
            return take_body(wsi, {static_cast<const char *>(in), length});
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
            return finish_body(wsi);
        case LWS_CALLBACK_HTTP_WRITEABLE:
            return answer(wsi);
        case LWS_CALLBACK_CLOSED_HTTP:
        case LWS_CALLBACK_WSI_DESTROY:
            forget(wsi);
            return 0;
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
            return lower(static_cast<const char *>(in)) == "websocket" ? refuse_upgrade(wsi) : 0;
        default:
            return 0;
    }
}

std::chrono::milliseconds HttpReceiver::oldest() const {
    if (standing_.empty()) return std::chrono::milliseconds(0);
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - standing_.front().since);
}

std::string HttpReceiver::unable() const {
    if (stopping_) return "blerecv is stopping";
    if (const auto age = oldest(); age >= options_.stalled_after)
        return "the program that blerecv writes to has not read the batches that blerecv wrote " +
               in_seconds(age) + " ago";
    if (writer_.unwritten() + body_bytes_ > options_.max_waiting_bytes) return "too many requests at once";
    return "";
}

HttpReply HttpReceiver::health(lws *wsi) const {
    const std::string method = http_method(wsi);
    if (method != "GET" && method != "HEAD")
        return http_error(405, "only GET /health is possible", "allow: GET, HEAD\r\n");
    const std::string reason = unable();
    HttpReply reply;
    reply.status = reason.empty() ? 200 : 503;
    if (!reason.empty()) reply.headers = retry_after;
    if (method == "GET") reply.body = health_body("blerecv", reason, door_.refused(loop_.refused()));
    return reply;
}

// What the headers of somebody known decide: an answer, or that the body shall come (empty).
std::optional<HttpReply> HttpReceiver::judge(lws *wsi, Request &request, std::uint64_t length) {
    const std::string method = http_method(wsi), path = options_.prefix.strip(http_path(wsi));
    if (path == health_path) return health(wsi);
    if (path != bulk_path)
        return http_error(404, "there is nothing here; batches go to POST " + std::string(bulk_path));
    if (method != "POST")
        return http_error(405, "batches go to POST " + std::string(bulk_path), "allow: POST\r\n");
    const std::string type = media_type(wsi);
    request.ndjson = type == "application/x-ndjson" || type == "application/ndjson";
    if (!request.ndjson && type != "application/json")
        return http_error(415,
                          "send the header 'Content-Type: application/json' with one batch, or "
                          "'Content-Type: application/x-ndjson' with one batch a line");
    const std::string encoding = lower(http_header(wsi, WSI_TOKEN_HTTP_CONTENT_ENCODING));
    request.gzip = encoding == "gzip" || encoding == "x-gzip";
    if (!request.gzip && !encoding.empty() && encoding != "identity")
        return http_error(415,
                          "the Content-Encoding " + printable(encoding) +
                              " is not known: send the body as it is, or with 'Content-Encoding: gzip'",
                          "accept-encoding: gzip, identity\r\n");
    const std::size_t limit = longest(request);
    if (length > limit) return http_error(413, "the body is longer than " + std::to_string(limit) + " bytes");
    if (const std::string reason = unable(); !reason.empty()) return http_error(503, reason, retry_after);
    return std::nullopt;
}

int HttpReceiver::begin(lws *wsi) {
    forget(wsi);
    Request request;
    if (options_.prefix.strip(http_path(wsi)) != health_path) {
        auto admitted = door_.admit(wsi);
        if (auto *refusal = std::get_if<HttpReply>(&admitted)) return http_answer(wsi, *refusal);
        request.sender = std::get<Sender>(std::move(admitted));
    }
    request.close = http_wants_close(wsi);
    const std::string length_text = http_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    const bool number = length_text.find_first_not_of("0123456789") == std::string::npos;
    const bool counted = number && length_text.size() < 16;
    const std::uint64_t length = counted && !length_text.empty() ? std::stoull(length_text) : 0;
    const bool chunked = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    const std::string expectation = lower(http_header(wsi, WSI_TOKEN_HTTP_EXPECT));
    const bool post = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0;

    request.decided = judge(wsi, request, length);
    if (!number)
        request.decided = http_error(400, "the Content-Length is no number");
    else if (!counted)
        request.decided = http_error(413, "the body is too long");
    if ((chunked || length_text.empty()) && post && (!request.decided || request.decided->status == 503))
        request.decided = http_error(411, "send the body with a Content-Length, not in chunks");
    if (post && length == 0 && !request.decided)
        request.decided = http_error(411, "the body is empty: a proxy may have removed it");
    if (!expectation.empty() && expectation != "100-continue")
        request.decided = http_error(417, "only 'Expect: 100-continue' is known");

    // A body is skipped if possible, so that the connection can be kept; of one that is long, or asks before it
    // comes, or that libwebsockets would not delimit, the connection is the end.
    const bool body = length > 0 || chunked || !counted;
    const bool skip = request.decided && post && length > 0 && length <= longest_skipped && counted &&
                      !chunked && expectation.empty();
    if (request.decided && !skip) {
        request.decided->close = request.close || body;
        note(*request.decided, wsi);
        return http_answer(wsi, *request.decided);
    }
    if (!request.decided && !expectation.empty()) http_continue(wsi);
    if (requests_.empty()) loop_.arm(tick_timer_, tick_interval);
    requests_.emplace(wsi, std::move(request));
    return 0;
}

// libwebsockets would hang up on it without a word.
int HttpReceiver::refuse_upgrade(lws *wsi) {
    auto admitted = door_.admit(wsi);
    if (auto *refusal = std::get_if<HttpReply>(&admitted)) return http_answer(wsi, *refusal);
    HttpReply reply =
        http_error(404, "there is no WebSocket here; batches go to POST " + std::string(bulk_path));
    reply.close = true;
    note(reply, wsi);
    return http_answer(wsi, reply);
}

int HttpReceiver::take_body(lws *wsi, std::string_view piece) {
    const auto found = requests_.find(wsi);
    if (found == requests_.end() || found->second.state != State::reading) return -1;
    Request &request = found->second;
    if (request.decided) return 0;
    request.body += piece;
    body_bytes_ += piece.size();
    if (writer_.unwritten() + body_bytes_ > options_.max_waiting_bytes) {
        request.decided = http_error(503, "too many requests at once", retry_after);
        drop_body(request);
    }
    return 0;
}

int HttpReceiver::finish_body(lws *wsi) {
    const auto found = requests_.find(wsi);
    if (found == requests_.end()) return -1;
    Request &request = found->second;
    if (request.state != State::reading) {
        // The client has sent more before it has its answer, and libwebsockets (before 4.3, which ends the connection by
        // itself) offers those bytes by this call, again and again. They are not read: the end of the connection tells
        // the client to send again what has no answer.
        request.close = true;
        return request.state == State::answering ? answer(wsi) : -1;
    }
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
    if (!request.decided) request.decided = take(wsi, request);
    drop_body(request);
    if (request.decided) {
        note(*request.decided, wsi);
        answer_later(wsi, request, std::move(*request.decided));
    } else {
        // At the end of this round of the loop: the reader is woken once for what several connections have brought in it, and
        // begins while the others are still sending.
        loop_.arm(write_timer_, std::chrono::microseconds(0));
    }
    return 0;
}

void HttpReceiver::note(const HttpReply &reply, lws *wsi) {
    if (reply.status == 403) return door_.note_device(door_.client(wsi), printable(reply.body));
    if (reply.status == 400 || reply.status == 413 || reply.status == 422) counters_.rejected++;
    if (reply.status >= 400 && refusals_[reply.status].due())
        log_warning("answering " + std::to_string(reply.status) + " to " + door_.client(wsi) + ": " +
                    printable(reply.body));
}

std::size_t HttpReceiver::longest(const Request &request) const {
    return request.ndjson ? options_.max_body : max_line;
}

// Takes the request's lines, for pump() to write, and lets it wait; or says why not: then nothing was taken.
std::optional<HttpReply> HttpReceiver::take(lws *wsi, Request &request) {
    if (const std::string reason = unable(); !reason.empty()) return http_error(503, reason, retry_after);
    if (request.gzip) {
        body_bytes_ -= request.body.size();
        const auto refusal = unpack_gzip(request.body, longest(request));
        body_bytes_ += request.body.size();
        if (refusal) return http_error(refusal->status, refusal->reason);
    }
    const auto read = read_bulk(request.body, request.ndjson, parser_, request.sender.device);
    if (const auto *refusal = std::get_if<BulkRefusal>(&read))
        return http_error(refusal->status, refusal->reason);
    const auto &bulk = std::get<Bulk>(read);
    if (!bulk.note.empty()) log_info(bulk.note);
    request.reply = stored_body(bulk.device_id, bulk.detections);
    std::uint64_t position = 0;
    for (const std::string_view line : bulk.lines)
        position = request.sender.name.empty() ? writer_.take_line(line)
                                               : writer_.take_line(with_sender(line, request.sender.name));
    counters_.in += bulk.lines.size();
    const auto now = Clock::now();
    standing_.push_back({position, now, bulk.lines.size(), bulk.window_end});
    waiting_.push_back({position, now, wsi});
    request.state = State::waiting;
    return std::nullopt;
}

void HttpReceiver::answer_later(lws *wsi, Request &request, HttpReply reply) {
    request.state = State::answering;
    answering_++;
    request.decided = std::move(reply);
    lws_callback_on_writable(wsi);
}

int HttpReceiver::answer(lws *wsi) {
    const auto found = requests_.find(wsi);
    if (found == requests_.end() || found->second.state != State::answering) return 0;
    HttpReply reply = std::move(*found->second.decided);
    reply.close = reply.close || found->second.close || stopping_;
    const int result = http_answer(wsi, reply);
    forget(wsi);
    changed_();
    return result;
}

void HttpReceiver::forget(lws *wsi) {
    const auto found = requests_.find(wsi);
    if (found == requests_.end()) return;
    if (found->second.state == State::answering) answering_--;
    if (found->second.state == State::waiting)
        waiting_.erase(std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Waiting &w) { return w.connection == wsi; }));
    drop_body(found->second);
    requests_.erase(found);
}

void HttpReceiver::drop_body(Request &request) {
    body_bytes_ -= request.body.size();
    request.body = {};
}

void HttpReceiver::pump() {
    writer_.pump();
    while (!standing_.empty() && standing_.front().position <= writer_.committed()) {
        counters_.out += standing_.front().batches;
        counters_.note_window(standing_.front().window_end);
        standing_.pop_front();
    }
    while (!waiting_.empty() && waiting_.front().position <= writer_.committed()) {
        lws *wsi = waiting_.front().connection;
        waiting_.pop_front();
        Request &request = requests_.at(wsi);
        HttpReply reply;
        reply.status = 201;
        reply.body = std::move(request.reply);
        answer_later(wsi, request, std::move(reply));
    }
    if (writer_.gone()) throw Error(ExitCode::io, writer_.why());
    if (!writer_.idle()) loop_.arm(pump_timer_, writer_.wait_hint());
    changed_();
}

void HttpReceiver::tick() {
    const auto now = Clock::now();
    while (!waiting_.empty() && now - waiting_.front().since >= options_.longest_wait) {
        lws *wsi = waiting_.front().connection;
        waiting_.pop_front();
        const std::string reason = "not consumed within " + in_seconds(options_.longest_wait) +
                                   "; send it again, it will not be stored twice";
        HttpReply reply = http_error(503, reason, retry_after);
        Request &request = requests_.at(wsi);
        note(reply, wsi);
        answer_later(wsi, request, std::move(reply));
    }
    if (!requests_.empty()) loop_.arm(tick_timer_, tick_interval);
    changed_();
}

}  // namespace ble
