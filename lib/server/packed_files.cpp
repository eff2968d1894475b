#include "server/packed_files.hpp"

#include <unistd.h>

#include <string_view>

#include "base/gzip.hpp"

namespace ble {
namespace {

bool is_text(std::string_view type) {
    return type.starts_with("text/") || type == "image/svg+xml" || type == "application/json";
}

std::string content(const StaticFile &file) {
    std::string text(static_cast<std::size_t>(file.size), '\0');
    const ssize_t got = pread(file.fd.get(), text.data(), text.size(), 0);
    return got == static_cast<ssize_t>(text.size()) ? text : std::string();
}

}  // namespace

PackedFiles::Packed PackedFiles::of(const std::string &path, const StaticFile &file) {
    if (!is_text(file.type) || file.size < worth_packing || file.size > largest) return nullptr;
    Known &known = known_[path];
    if (known.packed && known.tag == file.tag) return known.packed;
    const std::string text = content(file);
    if (text.empty()) return nullptr;
    kept_ -= known.packed ? known.packed->size() : 0;
    auto packed = std::make_shared<const std::string>(gzip(text, Packing::smallest));
    known = {file.tag, packed};
    kept_ += packed->size();
    if (kept_ > most_kept) {
        known_.clear();
        kept_ = 0;
    }
    return packed;
}

}  // namespace ble
