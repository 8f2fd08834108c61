"""Reading and writing rosbag2 recordings without ROS, and what their topics mean."""
