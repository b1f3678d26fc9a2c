culvert_fuzz(control_lines SOURCES control_lines.cpp DEPENDS app_run)
