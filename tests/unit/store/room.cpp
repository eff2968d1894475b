#include "room.hpp"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "postgres_server.hpp"
#include "sqlite/database.hpp"

namespace ble::test {
namespace {

using Rows = std::vector<std::string>;

class SqliteRoom final : public Room {
  public:
    SqliteRoom() {
        const std::filesystem::path memory = "/dev/shm";  // thousands of commits, and no power cut
        std::string pattern =
            (exists(memory) ? memory : std::filesystem::temp_directory_path()) / "blepipe-store-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }
    ~SqliteRoom() override { std::filesystem::remove_all(folder_); }
    SqliteRoom(const SqliteRoom &) = delete;
    SqliteRoom &operator=(const SqliteRoom &) = delete;

    std::string name() const override { return folder_ / "ble.db"; }
    Rows rows(const std::string &sql) override {
        Database database(name());
        Statement statement(database, sql);
        Rows rows;
        while (statement.step()) {
            std::string row;
            for (int column = 0; column < statement.columns(); ++column)
                row.append(column > 0 ? "|" : "").append(statement.text(column));
            rows.push_back(row);
        }
        return rows;
    }
    void refuse(const std::string &condition) override {
        rows("CREATE TRIGGER rule BEFORE INSERT ON batches WHEN " + condition +
             " BEGIN SELECT RAISE(ABORT, 'no'); END");
    }

  private:
    std::filesystem::path folder_;
};

class PostgresRoom final : public Room {
  public:
    std::string name() const override { return name_; }
    Rows rows(const std::string &sql) override { return client_.rows(sql); }
    void refuse(const std::string &condition) override {
        rows("CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF " + condition +
             " THEN RAISE 'no'; END IF; RETURN NEW; END $$");
        rows("CREATE TRIGGER rule BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION rule()");
    }
    void wait_alone() override {
        while (text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
                    "pg_backend_pid()") != "0")
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }

  private:
    std::string name_ = PostgresServer::get().make_database();
    Client client_{name_};
};

}  // namespace

std::string Room::text(const std::string &sql) {
    const auto found = rows(sql);
    return found.empty() ? std::string() : found.front();
}

std::unique_ptr<Room> make_room(const std::string &kind) {
    if (kind == in_sqlite) return std::make_unique<SqliteRoom>();
    return std::make_unique<PostgresRoom>();
}

}  // namespace ble::test
