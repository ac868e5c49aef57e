// expect: the_server_itself_writes_this_header
#include <cohort/http/response.hpp>

cohort::response refused() { return cohort::response{200}.header("content-length", "1"); }
