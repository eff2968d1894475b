#include "batch/reject_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/timestamp.hpp"
#include "batch/json_text.hpp"

namespace ble {

namespace {

constexpr std::uint64_t shares = 4;        // one sender has that part of the file
constexpr std::size_t most_names = 1'000;  // of further ones, all have one share together
constexpr std::string_view begin_time = "{\"time\":\"", begin_from = "\",\"from\":";
constexpr std::size_t time_length = 24;

std::string print_record(const Rejected &rejected, const std::string &from) {
    std::string out = std::string(begin_time) + format_ms(now());
    if (rejected.from && !rejected.from->empty()) {
        out.append(begin_from).append(from).append(",\"reason\":");
    } else {
        out += "\",\"reason\":";
    }
    append_json_string(out, rejected.reason);
    const auto line = rejected.line;
    if (is_utf8(line)) {
        out += ",\"line\":";
        append_json_string(out, line);
    } else {
        out += ",\"line_hex\":\"";
        out += hex({reinterpret_cast<const std::uint8_t *>(line.data()), line.size()});
        out += '"';
    }
    out += "}\n";
    return out;
}

// Whose record it is, as JSON has it; empty: nobody is named.
std::string_view from_of(std::string_view record) {
    const auto at = begin_time.size() + time_length;
    if (!record.starts_with(begin_time) || record.size() < at || !record.substr(at).starts_with(begin_from))
        return {};
    const auto text = record.substr(at + begin_from.size());
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') return text.substr(0, i + 1);
        if (text[i] == '\\') ++i;
    }
    return {};
}

}  // namespace

RejectFile::RejectFile(std::string path, std::uint64_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {}

void RejectFile::add(std::string_view line, std::string_view reason) {
    keep({line, std::string(reason)});
    sync();
}

void RejectFile::add(std::span<const Rejected> lines) {
    for (const auto &rejected : lines) keep(rejected);
    sync();
}

void RejectFile::keep(const Rejected &rejected) {
    ++count_;
    std::string from;
    if (rejected.from && !rejected.from->empty()) append_json_string(from, *rejected.from);
    bool kept = false;
    if (!path_.empty() && open()) {
        const std::string record = print_record(rejected, from);
        kept = (!rejected.from || has_share(from, record.size())) && write(record);
        if (kept && rejected.from) share_of(from) += record.size();
    }
    if (!said_.due()) return;
    log_warning("rejected a line: " + printable(rejected.reason) + (kept ? "; it is kept in " + path_ : "") +
                " (" + std::to_string(count_) + " since the start)");
}

bool RejectFile::open() {
    if (fd_) return true;
    // O_NONBLOCK: a FIFO that nobody reads must not stop the tool.
    try {
        fd_ = open_own(path_, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0640);
    } catch (const Error &error) {
        if (trouble_said_.due()) log_warning(error.what());
        return false;
    }
    struct stat status {};
    if (!fd_ || fstat(fd_.get(), &status) != 0) {
        complain("open");
        fd_ = UniqueFd();
        return false;
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (S_ISREG(status.st_mode)) sync_folder();
    return true;
}

bool RejectFile::has_share(const std::string &from, std::size_t bytes) {
    if (!shares_) read_shares();
    if (share_of(from) + bytes <= max_bytes_ / shares) return true;
    if (share_said_.due())
        log_warning("the space for " + (from.empty() ? "lines without a sender" : printable(from)) + " in " +
                    path_ + " is used up: further lines are only counted");
    return false;
}

std::uint64_t &RejectFile::share_of(const std::string &from) {
    return (*shares_)[shares_->size() < most_names || shares_->contains(from) ? from : ""];
}

// What earlier runs left.
void RejectFile::read_shares() {
    shares_.emplace();
    if (size_ == 0) return;
    std::ifstream file(path_);
    for (std::string record; std::getline(file, record);) {
        share_of(std::string(from_of(record))) += record.size() + 1;
    }
}

// A new file's name is as perishable as its content.
void RejectFile::sync_folder() {
    const auto folder = std::filesystem::path(path_).parent_path();
    const UniqueFd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) complain("sync the folder of");
}

void RejectFile::sync() {
    if (!std::exchange(unsynced_, false)) return;
    if (::fdatasync(fd_.get()) != 0 && errno != EINVAL) complain("sync");  // EINVAL: a FIFO, a device
}

bool RejectFile::write(const std::string &record) {
    if (size_ + record.size() > max_bytes_) {
        if (!full_said_) log_warning(path_ + " is full: further lines are only counted");
        full_said_ = true;
        return false;
    }
    // One write a record, so that several processes may share the file. What a full disk tore gets a line of its own.
    const std::string text = torn_ ? "\n" + record : record;
    ssize_t wrote;
    do wrote = ::write(fd_.get(), text.data(), text.size());
    while (wrote < 0 && errno == EINTR);
    if (wrote > 0) {
        unsynced_ = true;
        size_ += static_cast<std::uint64_t>(wrote);
        torn_ = static_cast<std::size_t>(wrote) < text.size();
        if (!torn_) return true;
        errno = ENOSPC;
    }
    complain("write");
    return false;
}

void RejectFile::complain(const char *what) {
    const int error = errno;
    if (trouble_said_.due())
        log_warning(std::string("unable to ") + what + " " + path_ + ": " + why_not_opened(path_, error));
}

}  // namespace ble
