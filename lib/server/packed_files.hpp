// Pages as gzip data, compressed once for each version of a file: a browser on a slow link waits for only a third of the bytes.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "server/static_folder.hpp"

namespace ble {

class PackedFiles {
  public:
    using Packed = std::shared_ptr<const std::string>;
    static constexpr std::size_t worth_packing = 1000, largest = 1 << 20;  // bytes of a file
    static constexpr std::size_t most_kept = 4 << 20;                      // bytes

    // Null: it is of a type that is packed already, too small or too large for that, or it cannot be read.
    Packed of(const std::string &path, const StaticFile &file);

  private:
    struct Known {
        std::string tag;
        Packed packed;
    };
    std::map<std::string, Known> known_;  // by path
    std::size_t kept_ = 0;
};

}  // namespace ble
