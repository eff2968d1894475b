// A PostgreSQL server of the tests' own: Debian's, in a folder of its own, reached by a socket in there. It is started at the first use,
// as another user when this one is root, and ends with the program.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct pg_conn;

namespace ble::test {

class PostgresServer {
  public:
    static PostgresServer &get();
    ~PostgresServer();
    PostgresServer(const PostgresServer &) = delete;
    PostgresServer &operator=(const PostgresServer &) = delete;

    // A new database; its URI.
    std::string make_database();

  private:
    PostgresServer();
    std::string uri(const std::string &database) const;

    std::string folder_;
    int pid_ = 0, databases_ = 0;
};

// A second client, as psql is. What the server refuses ends the test.
class Client {
  public:
    explicit Client(const std::string &uri);
    // Rows of a query in the schema blepipe: columns joined by '|', true and false as 1 and 0.
    std::vector<std::string> rows(const std::string &sql);

  private:
    std::unique_ptr<pg_conn, void (*)(pg_conn *)> link_;
};

}  // namespace ble::test
