#include "bleexport/place_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sstream>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

constexpr char title[] = "bleexport-place-1";

}  // namespace

std::optional<ArchivePlace> PlaceFile::read() const {
    if (::access(path_.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    std::istringstream text(read_text_file(path_, "the file of --resume"));
    ArchivePlace place;
    std::string word, choice;
    text >> word >> place.id >> place.received_at;
    text.ignore();
    std::getline(text, place.device_id);
    std::getline(text, choice);
    if (!text || word != title)
        throw Error(ExitCode::config,
                    path_ + " is no file of --resume: give another name, or delete it to begin anew");
    if (choice == choice_) return place;
    const auto named = [](const std::string &words) {
        return words.empty() ? "all batches" : printable(words);
    };
    throw Error(ExitCode::config, path_ + " is of an export of " + named(choice) + ", and this one is of " +
                                      named(choice_) +
                                      ": give the same options, or another file, or delete it to begin anew");
}

void PlaceFile::write(const ArchivePlace &place) const {
    std::ostringstream text;
    text << title << ' ' << place.id << ' ' << place.received_at << ' ' << place.device_id << '\n'
         << choice_ << '\n';
    const std::string bytes = text.str(), target = own_place(path_), beside = target + ".new";
    const auto fail = [&] {
        return file_error("write", path_, errno == EACCES ? ExitCode::permission : ExitCode::io);
    };
    const UniqueFd file = open_own(beside, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (!file || ::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        throw fail();
    if (::fdatasync(file.get()) != 0 || std::rename(beside.c_str(), target.c_str()) != 0) throw fail();
}

}  // namespace ble
