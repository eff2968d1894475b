#include "server/feed.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/digest.hpp"
#include "base/limits.hpp"
#include "batch/event.hpp"

namespace ble {

namespace {

std::string without_cr(std::string_view text) {
    std::string out(text);
    std::replace(out.begin(), out.end(), '\r', ' ');
    return out;
}

// The header of a whole text message that is not masked (RFC 6455, 5.2).
void append_frame_header(std::string &out, std::size_t size) {
    constexpr unsigned char last_of_text = 0x81;
    const auto number = [&](int bytes) {
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
            out += static_cast<char>((static_cast<std::uint64_t>(size) >> shift) & 0xff);
    };
    out += static_cast<char>(last_of_text);
    if (size < 126) return number(1);
    const bool wide = size > 0xffff;
    out += static_cast<char>(wide ? 127 : 126);
    number(wide ? 8 : 2);
}

}  // namespace

Feed::Feed(const Limits &limits)
    : limits_(limits),
      epoch_(random_id()),
      ring_(limits.events, limits.bytes),
      snapshot_(limits.devices, limits.gaps, limits.snapshot_bytes) {}

bool Feed::publish(std::string_view line) {
    std::string own;
    if (line.find('\r') != std::string_view::npos) line = own = without_cr(line);
    std::optional<EventView> view = reader_.read(line);
    if (!view) {
        const ParsedLine parsed = batches_.parse(line.substr(0, max_line + sender_room));
        if (const auto *batch = std::get_if<ParsedBatch>(&parsed))
            own = batch->rejected.empty() ? detection_event(line) : detection_event(batch->batch);
        else if (std::holds_alternative<Gap>(parsed))
            own = gap_event(line);
        else
            return false;
        view = reader_.read(own);
        if (!view) return false;
    }
    Frame frame = make_frame(view->line);
    snapshot_.remember(*view, frame);
    if (view->detections && view->timestamp) newest_window_ = view->timestamp;
    while (ring_.full_for(frame->size())) evict();
    ring_.push(std::move(frame));
    return true;
}

void Feed::announce(std::string_view event) {
    while (ring_.full_for(event.size())) evict();
    ring_.push(make_frame(event));
}

// Whoever has not had the oldest event misses it. Subscribers without a filter find that out by themselves, later; with
// one, only now can be known whether they wanted it.
void Feed::evict() {
    std::string cut;
    for (Subscriber *subscriber : filtered_) {
        if (subscriber->next != ring_.begin()) continue;
        if (passes(*subscriber, ring_.at(subscriber->next), cut)) subscriber->missed++;
        subscriber->next++;
    }
    ring_.pop();
}

void Feed::begin(Subscriber &subscriber, std::string greeting) {
    subscriber.notes.push_back(std::move(greeting));
    subscriber.next = ring_.end();
    subscriber.missed = 0;
    subscriber.snapshot = snapshot_.read();
}

void Feed::join(Subscriber &subscriber, std::string greeting, std::string_view last_id) {
    subscribers_++;
    if (subscriber.filter) filtered_.insert(&subscriber);
    begin(subscriber, std::move(greeting));
    if (last_id.size() <= epoch_.size() || !last_id.starts_with(epoch_ + "-")) return;
    std::uint64_t last = 0;
    const char *end = last_id.data() + last_id.size();
    const auto [rest, error] = std::from_chars(last_id.data() + epoch_.size() + 1, end, last);
    if (error != std::errc() || rest != end || last >= ring_.end()) return;
    if (subscriber.filter && last + 1 < ring_.begin()) return;
    subscriber.next = last + 1;
    subscriber.snapshot.reset();
}

void Feed::leave(Subscriber &subscriber) {
    subscribers_--;
    filtered_.erase(&subscriber);
}

void Feed::filter(Subscriber &subscriber, Subscription filter, std::string greeting) {
    filtered_.erase(&subscriber);
    subscriber.filter.reset();
    if (!filter.passes_all()) {
        subscriber.filter = std::make_unique<Subscription>(std::move(filter));
        filtered_.insert(&subscriber);
    }
    begin(subscriber, std::move(greeting));
}

// `cut`: what is left of the event, for a subscriber with a filter.
bool Feed::passes(const Subscriber &subscriber, const Frame &frame, std::string &cut) {
    if (viewed_ != frame) {
        auto view = reader_.read(text_of(frame));
        if (!view) return false;
        view_ = std::move(*view);
        viewed_ = frame;
    }
    auto left = subscriber.filter->apply(view_);
    if (left) cut = std::move(*left);
    return left.has_value();
}

// What fits in one message of several events is as new as one event alone.
void Feed::skip_to_newest(Subscriber &subscriber) {
    std::uint64_t newest = ring_.end();
    if (!subscriber.filter) {
        newest--;
        std::size_t size = text_of(ring_.at(newest)).size();
        while (subscriber.framing != Framing::message && newest > subscriber.next) {
            size += text_of(ring_.at(newest - 1)).size();
            if (size > limits_.joined / 2) break;
            newest--;
        }
        subscriber.missed += newest - subscriber.next;
        subscriber.next = newest;
        return;
    }
    std::string cut;
    std::uint64_t wanted = 0;
    for (std::uint64_t at = subscriber.next; at < ring_.end(); at++) {
        if (!passes(subscriber, ring_.at(at), cut)) continue;
        wanted++;
        newest = at;
    }
    subscriber.missed += wanted > 0 ? wanted - 1 : 0;
    subscriber.next = newest;
}

void Feed::take_snapshot(Subscriber &subscriber, Piece &piece) {
    while (const Frame frame = snapshot_.next(*subscriber.snapshot)) {
        piece.event = true;
        if (!subscriber.filter) {
            piece.frame = frame;
            return;
        }
        if (passes(subscriber, frame, piece.own)) return;
    }
    subscriber.snapshot.reset();
    piece.own = connection_status("live", subscribers_, now());
    piece.event = false;
}

// The next thing that the subscriber is to get.
bool Feed::take(Subscriber &subscriber, Piece &piece) {
    if (!subscriber.notes.empty()) {
        piece.own = std::move(subscriber.notes.front());
        subscriber.notes.erase(subscriber.notes.begin());
        if (subscriber.notes.empty()) std::vector<std::string>().swap(subscriber.notes);
        return true;
    }
    if (subscriber.snapshot) {
        take_snapshot(subscriber, piece);
        return true;
    }
    if (subscriber.next < ring_.begin()) {
        subscriber.missed += ring_.begin() - subscriber.next;
        subscriber.next = ring_.begin();
    }
    if (subscriber.missed > 0) {
        if (subscriber.next < ring_.end()) skip_to_newest(subscriber);
        piece.own = lagged(subscriber.missed);
        piece.missed = std::exchange(subscriber.missed, 0);
        return true;
    }
    piece.event = true;
    while (subscriber.next < ring_.end()) {
        piece.id = subscriber.next++;
        const Frame &frame = ring_.at(piece.id);
        if (!subscriber.filter) {
            piece.frame = frame;
            return true;
        }
        if (passes(subscriber, frame, piece.own)) return true;
    }
    return false;
}

void Feed::append(std::string &out, Framing framing, std::string_view text, std::uint64_t id) const {
    if (out.empty()) out.assign(frame_padding, '\0');
    if (framing == Framing::stream) {
        if (id != 0) out.append("id: ").append(epoch_).append("-").append(std::to_string(id)).append("\n");
        out.append("data: ").append(text).append("\n\n");
    } else if (framing == Framing::message) {
        append_frame_header(out, text.size());
        out.append(text);
    } else {
        if (out.size() > frame_padding) out += '\n';
        out.append(text);
    }
}

Message Feed::finish(std::string &buffer, Framing framing, std::size_t events) const {
    if (buffer.size() <= frame_padding) return {};
    return {buffer.data() + frame_padding, buffer.size() - frame_padding, framing == Framing::message, events,
            0};
}

// The usual case: nothing but events of the ring, the same for everybody who stands at the same place.
Message Feed::joined_ring(Subscriber &subscriber) {
    Joined &j = joined_;
    const bool fits = j.framing == subscriber.framing && j.from == subscriber.next &&
                      (j.built_at == ring_.end() || (j.to < j.built_at && !j.bytes.empty()));
    if (!fits) {
        j.framing = subscriber.framing;
        j.from = j.to = subscriber.next;
        j.built_at = ring_.end();
        j.bytes.clear();
        while (j.to < ring_.end()) {
            const std::string_view text = text_of(ring_.at(j.to));
            if (j.to > j.from && j.bytes.size() + text.size() > limits_.joined) break;
            append(j.bytes, j.framing, text, j.to++);
        }
    }
    subscriber.next = j.to;
    return finish(j.bytes, j.framing, static_cast<std::size_t>(j.to - j.from));
}

Message Feed::join_waiting(Subscriber &subscriber) {
    std::size_t events = 0;
    std::uint64_t missed = 0;
    scratch_.clear();
    if (scratch_.capacity() > 4 * limits_.joined) scratch_.shrink_to_fit();
    do {
        Piece piece;
        if (!take(subscriber, piece)) break;
        append(scratch_, subscriber.framing, piece.text(), piece.id);
        events += piece.event ? 1 : 0;
        missed += piece.missed;
    } while (scratch_.size() < limits_.joined);
    Message message = finish(scratch_, subscriber.framing, events);
    message.missed = missed;
    return message;
}

Message Feed::next(Subscriber &subscriber) {
    const bool plain = !subscriber.filter && !subscriber.snapshot && subscriber.notes.empty() &&
                       subscriber.missed == 0 && subscriber.next >= ring_.begin();
    if (!plain) return join_waiting(subscriber);
    if (subscriber.next >= ring_.end()) return {};
    if (subscriber.framing == Framing::stream || behind(subscriber) > 1) return joined_ring(subscriber);
    const Frame &frame = ring_.at(subscriber.next++);
    return {frame->data() + frame_padding, frame->size() - frame_padding, false, 1, 0};
}

}  // namespace ble
