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

}  // namespace ble::test
