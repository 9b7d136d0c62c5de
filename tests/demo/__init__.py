"""The demo: a real API server refuses images for what a simulated Amazon ECR and Inspector say of them."""
