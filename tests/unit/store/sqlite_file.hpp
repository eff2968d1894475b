// SQLite databases for the tests of the store: a folder that goes with its object, and what a file holds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace ble::test {

class Folder {
  public:
    explicit Folder(const std::filesystem::path &in = std::filesystem::temp_directory_path());
    ~Folder();
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    const std::filesystem::path path;
};

// Rows of a query: columns joined by '|', NULL as nothing.
std::vector<std::string> rows_of(const std::string &path, const std::string &sql);

}  // namespace ble::test
