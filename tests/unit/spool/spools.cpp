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

void make_older(const std::filesystem::path &spool, std::int64_t wall_s, std::int64_t lived_s) {
    Database(spool).execute("UPDATE batches SET since = since - 1000 * " + std::to_string(wall_s) +
                            "; UPDATE state SET lived_s = lived_s + " + std::to_string(lived_s));
}

}  // namespace ble::test
