#include "spools.hpp"

#include <cstdlib>

namespace ble::test {

Folder::Folder() {
    std::string name = std::filesystem::temp_directory_path() / "blepipe-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

Folder::~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::vector<std::filesystem::path> set_aside(const std::filesystem::path &path) {
    std::vector<std::filesystem::path> found;
    for (const auto &entry : std::filesystem::directory_iterator(path.parent_path()))
        if (entry.path().string().find(path.string() + ".damaged-") == 0 &&
            entry.path().extension().string().find("-wal") == std::string::npos)
            found.push_back(entry.path());
    return found;
}

void make_older(const std::filesystem::path &spool, std::int64_t wall_s, std::int64_t lived_s) {
    Database(spool).execute("UPDATE batches SET since = since - 1000 * " + std::to_string(wall_s) +
                            "; UPDATE state SET lived_s = lived_s + " + std::to_string(lived_s));
}

}  // namespace ble::test
