// How far the reader of an export has come, in a file, and of which export.
#pragma once

#include <optional>
#include <string>

#include "store/archive.hpp"

namespace ble {

class PlaceFile {
  public:
    // `choice`: the options that choose the batches, in one line; empty: all.
    PlaceFile(std::string path, std::string choice) : path_(std::move(path)), choice_(std::move(choice)) {}

    // None: there is no such file. Error(config) when it is something else, or of another choice: what that one left out would never come.
    std::optional<ArchivePlace> read() const;
    // At once, or not at all. Error(io, permission).
    void write(const ArchivePlace &place) const;

  private:
    std::string path_, choice_;
};

}  // namespace ble
