# An image with the exporter, made with the same cloud-init as the machine of examples/aws.
#
#   packer build -var package_url=URL -var sha256=SHA256 exporter.pkr.hcl

packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0"
    }
  }
}

variable "package_url" {
  type        = string
  description = "URL of the Debian package of the exporter for amd64."
}

variable "sha256" {
  type        = string
  description = "SHA-256 of the package."
}

variable "region" {
  type    = string
  default = "eu-central-1"
}

source "amazon-ebs" "exporter" {
  region        = var.region
  instance_type = "t3.small"
  ssh_username  = "admin"
  ami_name      = "probe-exporter-{{timestamp}}"
  user_data = replace(
    replace(file("${path.root}/../aws/exporter.cloud-init.yml"), "$${package_url}", var.package_url),
    "$${sha256}", var.sha256
  )

  source_ami_filter {
    owners      = ["136693071363"] # Debian
    most_recent = true
    filters = {
      name                = "debian-12-amd64-*"
      virtualization-type = "hvm"
    }
  }
}

build {
  sources = ["source.amazon-ebs.exporter"]

  provisioner "file" {
    source      = "${path.root}/modules.yml"
    destination = "/tmp/modules.yml"
  }

  # The machines of the image run cloud-init again, with user data of their own.
  provisioner "shell" {
    inline = [
      "cloud-init status --wait",
      "sudo install -m 644 /tmp/modules.yml /etc/probe_exporter/config.yml",
      "sudo systemctl restart probe_exporter",
      "sudo -u probe_exporter probe_exporter check /etc/probe_exporter/config.yml",
      "sudo cloud-init clean --logs",
    ]
  }
}
