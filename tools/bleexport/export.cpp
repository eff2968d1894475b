#include "bleexport/export.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <iterator>
#include <set>

#include "base/duration.hpp"
#include "base/file.hpp"
#include "store/store.hpp"

namespace ble {
namespace {

// Who wants to know how far the reader has come needs to be told by the pipe; all others write to anything.
CountingWriter::Promise promise_of(const ExportOptions &options) {
    return options.resume.empty() ? CountingWriter::Promise::written : CountingWriter::Promise::committed;
}

// As it was typed: "24h" chooses the same the next time.
std::string choice_of(const ExportOptions &options) {
    std::set<std::string> devices(options.filter.devices.begin(), options.filter.devices.end());
    std::string words;
    const auto add = [&](const std::string &option, const std::string &value) {
        if (!value.empty()) words += (words.empty() ? "" : " ") + option + ' ' + value;
    };
    for (const auto &device : devices) add("--device", device);
    add("--since", options.since);
    add("--until", options.until);
    return words;
}

std::string in_thousands(double number) {
    std::string digits = std::to_string(std::llround(number));
    for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ' ');
    return digits;
}

}  // namespace

Export::Export(const ExportOptions &options)
    : options_(options),
      lifecycle_(options.common, counters_, [this] { counters_.queued = unread_.size(); }),
      writer_(STDOUT_FILENO, promise_of(options)),
      file_(options.resume, choice_of(options)) {}

ExitCode Export::run() {
    std::signal(SIGXFSZ, SIG_IGN);  // past a limit on file sizes the write fails, as on a full disk
    if (!persist([this] { open(); })) return ExitCode::temporary;
    lifecycle_.ready("reading " + options_.db);
    lifecycle_.on_status([this] { return progress(); });
    progress_said_.due();
    while (!lifecycle_.stopping() && !writer_.gone() && !archive_->ended()) {
        // One step at a time: what is read ahead stands in the pipe, and nowhere else.
        if (writer_.unwritten() == 0 && !persist([this] { read_on(); })) break;
        hand_over(false);
        if (writer_.unwritten() > 0) hand_over(true);
        report();
    }
    while (!lifecycle_.stopping() && !writer_.gone() && !writer_.idle()) {
        hand_over(true);
        report();
    }
    remember(true);
    return finish();
}

// Again and again while the database cannot be read for now. False: asked to stop meanwhile.
bool Export::persist(const std::function<void()> &work) {
    for (;;) {
        try {
            work();
            backoff_.reset();
            return true;
        } catch (const StoreTrouble &trouble) {
            if (trouble_said_.due()) log_warning(std::string(trouble.what()) + "; trying again");
        }
        if (!lifecycle_.pause(backoff_.next())) return false;
    }
}

void Export::open() {
    // A file that is not there is nothing to wait for.
    if (options_.db.find("://") == std::string::npos && ::access(options_.db.c_str(), R_OK) != 0)
        throw file_error("open the database", options_.db,
                         errno == EACCES ? ExitCode::permission : ExitCode::io);
    archive_ = open_archive(options_.db, options_.filter, [this] {
        lifecycle_.handle();
        lifecycle_.progress();
        return !lifecycle_.stopping();
    });
    archive_->on_too_long = [this](const std::string &name) {
        ++counters_.rejected;
        log_warning("the batch " + printable(name) +
                    " is too long for a line as it is kept, and is left out");
    };
    if (options_.resume.empty()) return;
    const auto place = file_.read();
    if (!place) return;
    if (archive_->go_to(*place))
        log_info("going on after the batch " + std::to_string(place->id));
    else
        log_info("the batch that " + options_.resume +
                 " names is not in this database any more: beginning anew");
    began_with_ = archive_->share();
}

void Export::read_on() {
    for (const auto &line : archive_->next()) {
        const auto position = writer_.take_line(line.text);
        if (!line.place) continue;
        ++counters_.in;
        detections_ += line.detections;
        unread_.emplace_back(position, *line.place);
    }
}

// What the reader has consumed is its own. `wait`: for that, or for a signal.
void Export::hand_over(bool wait) {
    writer_.pump();
    while (!unread_.empty() && unread_.front().first <= writer_.committed()) {
        place_ = std::move(unread_.front().second);
        unread_.pop_front();
        ++counters_.out;
    }
    remember(false);
    if (wait && !writer_.gone()) {
        const auto most = std::chrono::ceil<std::chrono::milliseconds>(writer_.wait_hint());
        pollfd asks[] = {{lifecycle_.fd(), POLLIN, 0}, {writer_.event_fd(), POLLIN, 0}};
        ::poll(asks, std::size(asks), static_cast<int>(most.count()));
    }
    lifecycle_.handle();
    lifecycle_.progress();
}

void Export::remember(bool now) {
    if (options_.resume.empty() || !place_ || !(now || place_written_.due())) return;
    file_.write(*place_);
    place_.reset();
}

void Export::report() {
    if (progress_.due()) progress_.update(progress());
    if (::isatty(STDERR_FILENO) != 1 && progress_said_.due()) log_info(progress());
}

std::string Export::progress() const {
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const double share = archive_->share(),
                 rate = static_cast<double>(detections_) / std::max(seconds, 0.001);
    std::string text = in_thousands(static_cast<double>(counters_.in)) + " batches, " +
                       std::to_string(std::lround(share * 100)) + " %, " + in_thousands(rate) +
                       " detections/s";
    if (share > began_with_ + 0.005 && share < 1)
        text += ", " +
                in_seconds(std::chrono::milliseconds(
                    std::llround(1000 * seconds * (1 - share) / (share - began_with_)))) +
                " left";
    return text;
}

ExitCode Export::finish() {
    const bool whole = archive_->ended() && writer_.idle();
    if (writer_.gone() && !whole) {
        if (writer_.why() == "the reader of standard output is gone") throw ReaderGone();
        throw Error(ExitCode::io, writer_.why());
    }
    log_info("wrote " + std::to_string(counters_.in) + " batches with " + std::to_string(detections_) +
             " detections" + (whole ? "" : "; stopped before the end") +
             (counters_.rejected > 0 ? "; " + std::to_string(counters_.rejected) + " were too long" : ""));
    if (!whole) return ExitCode::temporary;
    return counters_.rejected > 0 ? ExitCode::data : ExitCode::ok;
}

}  // namespace ble
