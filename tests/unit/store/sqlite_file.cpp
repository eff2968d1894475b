#include "sqlite_file.hpp"

#include <cstdlib>

#include "base/error.hpp"
#include "sqlite/database.hpp"

namespace ble::test {
namespace {

std::filesystem::path make_folder(const std::filesystem::path &in) {
    std::string pattern = in / "blepipe-store-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw system_error("make a folder in " + in.string());
    return pattern;
}

}  // namespace

Folder::Folder(const std::filesystem::path &in) : path(make_folder(in)) {}

Folder::~Folder() {
    std::filesystem::remove_all(path);
}

std::vector<std::string> rows_of(const std::string &path, const std::string &sql) {
    Database database(path);
    Statement statement(database, sql);
    std::vector<std::string> rows;
    while (statement.step()) {
        std::string row;
        for (int column = 0; column < statement.columns(); ++column)
            row.append(column > 0 ? "|" : "").append(statement.text(column));
        rows.push_back(row);
    }
    return rows;
}

}  // namespace ble::test
