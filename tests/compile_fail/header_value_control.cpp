// expect: the_value_of_a_response_header_holds_a_control_character
#include <cohort/http/response.hpp>

cohort::response refused() { return cohort::response{200}.header("A", "b\r\nSet-Cookie: c"); }
