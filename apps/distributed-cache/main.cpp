#include <distributed-cache/audit_command.hpp>
#include <distributed-cache/import_command.hpp>
#include <distributed-cache/serve_command.hpp>

#include <string_view>

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view{argv[1]} == "import") {
        return cohort::import_command(argc - 1, argv + 1);
    }
    if (argc > 1 && std::string_view{argv[1]} == "audit") {
        return cohort::audit_command(argc - 1, argv + 1);
    }
    return cohort::serve_command(argc, argv);
}
