// How far the reader of an export has come, in a file.
#pragma once

#include <optional>
#include <string>

#include "store/archive.hpp"

namespace ble {

class PlaceFile {
  public:
    explicit PlaceFile(std::string path) : path_(std::move(path)) {}

    // None: there is no such file. Error(config) when it is something else.
    std::optional<ArchivePlace> read() const;
    // At once, or not at all. Error(io, permission).
    void write(const ArchivePlace &place) const;

  private:
    std::string path_;
};

}  // namespace ble
