#include "batch/reject_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/digest.hpp"
#include "base/timestamp.hpp"
#include "batch/json_text.hpp"

namespace ble {

namespace {

std::string print_record(std::string_view line, std::string_view reason) {
    std::string out = "{\"time\":\"" + format_ms(now()) + "\",\"reason\":";
    append_json_string(out, reason);
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

}  // namespace

RejectFile::RejectFile(std::string path, std::uint64_t max_bytes)
    : path_(std::move(path)), max_bytes_(max_bytes) {}

void RejectFile::add(std::string_view line, std::string_view reason) {
    keep(line, reason);
    sync();
}

void RejectFile::add(std::span<const Rejected> lines) {
    for (const auto &[line, reason] : lines) keep(line, reason);
    sync();
}

void RejectFile::keep(std::string_view line, std::string_view reason) {
    ++count_;
    const bool kept = !path_.empty() && open() && write(print_record(line, reason));
    if (!said_.due()) return;
    log_warning("rejected a line: " + printable(reason) + (kept ? "; it is kept in " + path_ : "") + " (" +
                std::to_string(count_) + " since the start)");
}

bool RejectFile::open() {
    if (fd_) return true;
    // O_NONBLOCK: a FIFO that nobody reads must not stop the tool.
    fd_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640));
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
        if (!full_said_) log_warning(path_ + " is full: such lines are only counted from now on");
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
        log_warning(std::string("unable to ") + what + " " + path_ + ": " + std::strerror(error));
}

}  // namespace ble
